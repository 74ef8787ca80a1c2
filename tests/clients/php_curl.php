<?php
// As in the vendor's own PHP samples: session_id() for the id, json_encode of plain arrays, reset() for the payload.
// HEADERS chooses how: "none", "expect" (as old curls do for larger bodies), "bearer" (credentials in the headers).

function call($method, $params)
{
    $how = getenv('HEADERS') ?: 'none';
    $account = getenv('SPRINGHEAD_ACCOUNT_ID');
    $secret = getenv('SPRINGHEAD_SECRET_KEY');
    $query = http_build_query(['accountID' => $account, 'secretKey' => $secret]);
    $url = getenv('SPRINGHEAD_URL') . '/pubapi/v1' . ($how === 'bearer' ? '/' : '/?' . $query);
    $data = json_encode(['method' => $method, 'params' => $params, 'id' => session_id()]);
    $headers = [
        'none' => ['Content-Type: application/json', 'Content-Length: ' . strlen($data), 'Expect:'],
        'expect' => ['Content-Type: text/plain', 'Expect: 100-continue'],
        'bearer' => ['Content-Type: applications/json', "X-Account-Id: $account", "Authorization: Bearer $secret"],
    ];
    $ch = curl_init($url);
    curl_setopt($ch, CURLOPT_CUSTOMREQUEST, 'POST');
    curl_setopt($ch, CURLOPT_POSTFIELDS, $data);
    curl_setopt($ch, CURLOPT_RETURNTRANSFER, true);
    curl_setopt($ch, CURLOPT_HTTPHEADER, $headers[$how]);
    $started = microtime(true);
    $result = curl_exec($ch);
    if ($result === false || curl_getinfo($ch, CURLINFO_HTTP_CODE) !== 200) {
        throw new Exception("$method: " . curl_error($ch) . ' ' . $result);
    }
    if (microtime(true) - $started > 0.9) {
        throw new Exception("$method waited for a 100 Continue that did not come");
    }
    curl_close($ch);
    return json_decode($result, true);
}

function check($fact, $what, $response = null)
{
    if (!$fact) {
        throw new Exception("$what: " . json_encode($response));
    }
}

function payload($response)
{
    check(array_keys($response) === ['result', 'error', 'id'], 'members', $response);
    check($response['id'] === '', 'the id of no session is an empty string', $response);
    return reset($response['result']);
}

$email = 'Php.' . getmypid() . '@Example.com';
$response = call('createLeads', ['objects' => [['firstName' => 'Änne "<b>"', 'emailAddress' => $email]]]);
check($response['error'] === [], 'no error is an empty list', $response);
$created = payload($response);
check($created[0]['success'] === true && $created[0]['error'] === null, 'created', $response);
check(is_int($created[0]['id']), 'the new id is an integer', $response);
$id = $created[0]['id'];

$response = call('createLeads', ['objects' => [['emailAddress' => strtolower($email)]]]);
check($response['error'][0]['code'] == 301, 'taken', $response);
check($response['error'][0]['message'] == 'Entry already exists', 'message', $response);
check($response['error'][0] === $response['result']['creates'][0]['error'], 'the same error twice', $response);
check(!isset($response['result']['creates'][0]['id']), 'no id of a refused lead', $response);

$response = call('getLeads', ['where' => ['emailAddress' => strtolower($email)], 'limit' => '1', 'offset' => '']);
check(empty($response['error']) && $response['error'] === null, 'a read has no error', $response);
$lead = payload($response)[0];
check($lead['id'] === (string) $id && $lead['emailAddress'] === $email, 'found', $lead);
check($lead['firstName'] === 'Änne "<b>"', 'text comes back as written', $lead);

$response = call('updateLeads', ['objects' => [['id' => $lead['id'], 'title' => 'CEO']], 'limit' => '', 'offset' => '']);
check(payload($response) === [['success' => true, 'error' => null]], 'updated', $response);
$response = call('updateLeads', ['objects' => [['id' => $id, 'title' => 'CEO']]]);
check($response['error'][0]['code'] === 302, 'nothing to change', $response);

$objects = [];
for ($i = 1; $i <= 7; $i++) {
    $objects["lead$i"] = ['id' => '0', 'emailAddress' => "$i.$email", 'updateTimestamp' => time()];
}
$response = call('createLeads', ['objects' => $objects]);
check(array_keys(payload($response)) === range(0, 6), 'string keys do not come back', $response);

$all = [];
do {
    $page = payload(call('getLeads', ['where' => [], 'limit' => 3, 'offset' => count($all)]));
    $all = array_merge($all, $page);
} while (count($page) === 3);
check(count($all) === 8 && count(array_unique(array_column($all, 'id'))) === 8, 'paged', $all);
check($page === array_slice($all, 6), 'the last page is short', $page);

$fields = payload(call('getFields', ['where' => []]));
check(in_array('emailAddress', array_column($fields, 'systemName'), true), 'fields', $fields);
check(payload(call('getUserProfiles', []))[0]['isActive'] === '1', 'users');

$ids = array_map(function ($lead) { return ['id' => $lead['id']]; }, $all);
check(count(payload(call('deleteLeads', ['objects' => $ids]))) === 8, 'deleted');
check(payload(call('getLead', ['id' => $id])) === [], 'gone');
echo "ok\n";
