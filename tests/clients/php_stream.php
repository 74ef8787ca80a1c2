<?php
// file_get_contents, as plugins do that cannot count on curl: HTTP/1.0 or 1.1, no Content-Type of their own.

function call($method, $params)
{
    $url = getenv('SPRINGHEAD_URL') . '/pubapi/v1?accountID=' . getenv('SPRINGHEAD_ACCOUNT_ID')
        . '&secretKey=' . getenv('SPRINGHEAD_SECRET_KEY');
    $http = [
        'method' => 'POST',
        'content' => json_encode(['id' => uniqid(), 'params' => $params, 'method' => $method]),
        'follow_location' => 0,
        'protocol_version' => (float) (getenv('HTTP_VERSION') ?: '1.0'),
        'header' => 'Connection: close',
    ];
    $answer = @file_get_contents($url, false, stream_context_create(['http' => $http]));
    if ($answer === false) {
        throw new Exception("$method: " . json_encode(error_get_last()));
    }
    $decoded = json_decode($answer);
    if ($decoded->error && !is_array($decoded->error)) {
        throw new Exception("$method: $answer");
    }
    return $decoded;
}

$lead = new stdClass();
$lead->emailAddress = 'stream.' . getmypid() . '@example.com';
$lead->companyName = 'Ünïcode & Söhne';
$first = call('createLeads', ['objects' => [$lead]])->result->creates[0];
$again = call('createLeads', ['objects' => [$lead]]);
if (!$first->success || $again->error[0]->code !== 301) {
    throw new Exception('301');
}
$found = call('getLeads', ['where' => $lead = ['emailAddress' => $lead->emailAddress]])->result->lead[0];
if ($found->id !== strval($first->id) || $found->companyName !== 'Ünïcode & Söhne') {
    throw new Exception(json_encode($found));
}
call('updateLeads', ['objects' => [['id' => $found->id, 'description' => str_repeat('long ', 10000)]]]);
for ($i = 0; $i < 4; $i++) {
    call('createLeads', ['objects' => [['emailAddress' => "$i.{$found->emailAddress}"]]]);
}
$offset = 0;
while ($page = call('getLeads', ['where' => new stdClass(), 'limit' => 2, 'offset' => $offset])->result->lead) {
    $offset += count($page);
    call('deleteLeads', ['objects' => []]);
}
if ($offset !== 5 || count(call('getFields', ['where' => []])->result->field) < 30) {
    throw new Exception("$offset");
}
$deleted = call('deleteLeads', ['objects' => [['id' => $found->id]]]);
if ($deleted->result->deletes[0]->success !== true || $deleted->error !== []) {
    throw new Exception(json_encode($deleted));
}
echo "ok\n";
