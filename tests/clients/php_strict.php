<?php
// A client that trusts nothing: it checks every answer as strictly as the strictest published one does, and stops at
// whatever is not exactly as captured (docs/wire/clients.md#strict-clients).

const READS = ['getLead' => 'lead', 'getLeads' => 'lead', 'getLeadsDateRange' => 'lead', 'getFields' => 'field',
    'getUserProfiles' => 'userProfile'];
const WRITES = ['createLeads' => 'creates', 'updateLeads' => 'updates', 'updateLeadsV2' => 'updates',
    'deleteLeads' => 'deletes', 'createFields' => 'creates', 'updateFields' => 'updates', 'deleteFields' => 'deletes'];

class Refused extends Exception
{
    public $data;
}

function fail($what, $value)
{
    throw new UnexpectedValueException("$what: " . json_encode($value));
}

function call($method, array $params)
{
    $query = http_build_query(['accountID' => getenv('SPRINGHEAD_ACCOUNT_ID'), 'secretKey' => getenv('SPRINGHEAD_SECRET_KEY')]);
    $id = bin2hex(random_bytes(16));
    $ch = curl_init(getenv('SPRINGHEAD_URL') . "/pubapi/v1?$query");
    curl_setopt_array($ch, [
        CURLOPT_POST => true,
        CURLOPT_POSTFIELDS => json_encode(['method' => $method, 'params' => $params, 'id' => $id]),
        CURLOPT_RETURNTRANSFER => true,
    ]);
    $body = curl_exec($ch);
    if (!in_array(curl_getinfo($ch, CURLINFO_HTTP_CODE), [200, 201], true)) {
        fail('status', $body);
    }
    $type = curl_getinfo($ch, CURLINFO_CONTENT_TYPE);
    if (strpos($type, 'application/json') !== 0) {
        fail('content type', $type);
    }
    $response = json_decode($body, true, 512, JSON_BIGINT_AS_STRING);
    if (!is_array($response) || json_last_error() !== JSON_ERROR_NONE) {
        fail('no JSON', $body);
    }
    foreach (['result', 'error', 'id'] as $member) {
        if (!array_key_exists($member, $response)) {
            fail("no $member", $body);
        }
    }
    if ($response['id'] !== $id) {
        fail('another id', $response['id']);
    }
    if ($unknown = array_diff(array_keys($response), ['result', 'error', 'id', 'callCount', 'queryLimit', 'hasMore'])) {
        fail('unknown members', $unknown);
    }
    if ($response['result'] === null) {
        check_error($response['error']);
        $refused = new Refused($response['error']['message'], $response['error']['code']);
        $refused->data = $response['error']['data'];
        throw $refused;
    }
    $key = READS[$method] ?? WRITES[$method];
    if (!is_array($response['result']) || array_keys($response['result']) !== [$key]) {
        fail("not only $key", $body);
    }
    $rows = $response['result'][$key];
    if (!is_array($rows) || array_keys($rows) !== array_keys(array_values($rows))) {
        fail('no list', $body);
    }
    isset(READS[$method]) ? check_read($response, $rows) : check_write($response, $rows, $params, $key === 'creates');
    return $rows;
}

function check_error($error)
{
    if (!is_array($error) || array_keys($error) !== ['code', 'message', 'data']) {
        fail('no error', $error);
    }
    if (!is_int($error['code']) || !is_string($error['message']) || !is_array($error['data'])) {
        fail('types of an error', $error);
    }
    if ($error['message'] === '' || substr($error['message'], -1) === '.') {
        fail('message', $error);
    }
    foreach ($error['data']['params'] ?? [] as $param) {
        if (!is_string($param['param']) || !is_string($param['message'])) {
            fail('params of an error', $error);
        }
    }
}

function check_read($response, $rows)
{
    if ($response['error'] !== null) {
        fail('a read with an error', $response['error']);
    }
    foreach ($rows as $row) {
        if (array_keys($row) !== array_keys($rows[0])) {
            fail('rows with different keys', $row);
        }
        foreach ($row as $name => $value) {
            if ($value !== null && !is_string($value)) {
                fail("$name is no string", $row);
            }
            if (strpos($name, 'Timestamp') && !preg_match('/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/D', $value)) {
                fail("$name is no timestamp", $row);
            }
            if (preg_match('/^(is[A-Z]|active$)/', $name) && !in_array($value, ['0', '1', null], true)) {
                fail("$name is no flag", $row);
            }
        }
    }
}

function check_write($response, $rows, $params, $creating)
{
    if (count($rows) !== count($params['objects'])) {
        fail('not a result for each object', $response);
    }
    $errors = [];
    foreach ($rows as $row) {
        if (!is_bool($row['success'])) {
            fail('success is no bool', $row);
        }
        if (array_keys($row) !== ($creating && $row['success'] ? ['success', 'error', 'id'] : ['success', 'error'])) {
            fail('keys of a result', $row);
        }
        if ($row['success']) {
            if ($row['error'] !== null || ($creating && (!is_int($row['id']) || $row['id'] <= 0 || $row['id'] >= 2 ** 53))) {
                fail('a success', $row);
            }
        } else {
            check_error($row['error']);
            $errors[] = $row['error'];
        }
    }
    if ($response['error'] !== $errors) {
        fail('the errors are not those of the results', $response);
    }
}

function codes(array $rows)
{
    return array_map(function ($row) { return $row['error']['code'] ?? 0; }, $rows);
}

function same($is, $should)
{
    if ($is !== $should) {
        fail('should be ' . json_encode($should), $is);
    }
}

$email = 'strict.' . getmypid() . '@example.com';
[$new] = call('createLeads', ['objects' => [['emailAddress' => $email, 'leadStatus' => 'open', 'leadScore' => '7']]]);
same(codes(call('createLeads', ['objects' => [
    ['emailAddress' => strtoupper($email)],
    ['emailAddress' => "b.$email"],
    ['firstName' => 'No address'],
    ['emailAddress' => "c.$email", 'noSuchField' => 'x'],
    ['emailAddress' => "d.$email", 'firstName' => null],
    ['emailAddress' => "e.$email", 'ownerID' => 12345],
    ['emailAddress' => "b.$email"],
]])), [301, 0, 205, 205, 205, 303, 301]);
[$lead] = call('getLeads', ['where' => ['emailAddress' => $email]]);
same([$lead['id'], $lead['leadScore'], $lead['leadStatus'], $lead['firstName']], [(string) $new['id'], '7', 'open', null]);
same(call('getLead', ['id' => $lead['id']]), [$lead]);
same(codes(call('updateLeads', ['objects' => [
    ['id' => $lead['id'], 'firstName' => ''],
    ['id' => $lead['id'], 'leadScore' => ''],
    ['id' => $lead['id'], 'firstName' => ''],
    ['id' => '1', 'firstName' => 'x'],
    ['emailAddress' => "nobody.$email"],
    new stdClass(),
    [],
]])), [0, 205, 302, 0, 0, 0, 0]);
same(codes(call('updateLeadsV2', ['objects' => [['id' => '1', 'firstName' => 'x'], ['id' => $lead['id'], 'city' => 'Y']]])), [404, 0]);
same(call('getLead', ['id' => $lead['id']])[0]['firstName'], '');

[$field] = call('createFields', ['objects' => [['relationship' => 'lead', 'dataType' => 'string', 'label' => 'Shoe size',
    'source' => 'sharpspring', 'systemName' => 'Lead Field', 'dataLength' => 255, 'isRequired' => 0, 'isCustom' => 1,
    'isActive' => 1, 'isAvailableInContactManager' => 1, 'isEditableInContactManager' => 1, 'isAvailableInForms' => 0]]]);
[$made] = call('getFields', ['where' => ['isCustom' => '1', 'id' => $field['id']], 'limit' => '5', 'offset' => '0']);
same(preg_match('/^shoe_size_[0-9a-f]{13}$/D', $made['systemName']), 1);
same(call('getLead', ['id' => $lead['id']])[0][$made['systemName']], '');
same(codes(call('updateLeads', ['objects' => [['id' => $lead['id'], $made['systemName'] => '12']]])), [0]);
same(array_slice(call('getLead', ['id' => $lead['id']])[0], -1), [$made['systemName'] => '12']);

$seen = [];
for ($offset = 0; ; $offset += 1) {
    $page = call('getLeads', ['where' => [], 'limit' => 1, 'offset' => $offset, 'fields' => ['id']]);
    $seen = array_merge($seen, array_column($page, 'id'));
    if (count($page) < 1) {
        break;
    }
}
same(count($seen), 2);
$range = ['startDate' => '2000-01-01 00:00:00', 'endDate' => '2100-01-01 00:00:00', 'timestamp' => 'create', 'limit' => 5000];
same(array_column(call('getLeadsDateRange', $range), 'id'), $seen);
foreach ([['getLead', ['id' => 'abc'], 205], ['getLeads', [], 206], ['createLeads', [], 207], ['getLead', ['id' => [1]], 210]] as [$method, $params, $code]) {
    try {
        call($method, $params);
        fail('not refused', $method);
    } catch (Refused $refused) {
        same($refused->getCode(), $code);
    }
}
same(codes(call('deleteLeads', ['objects' => [['id' => $new['id']], ['id' => $new['id']], ['emailAddress' => $email]]])), [0, 302, 205]);
same(codes(call('deleteFields', ['objects' => [['systemName' => $made['systemName']], ['systemName' => 'firstName']]])), [0, 211]);
same(call('getLeads', ['where' => ['id' => [$new['id'], '7']]]), []);
echo "ok\n";
