#!/usr/bin/env bash
# curl on the command line: -d's own Content-Type, a body from a file, a proxy's absolute-form request target.
set -euo pipefail

url="$SPRINGHEAD_URL/pubapi/v1/?accountID=$SPRINGHEAD_ACCOUNT_ID&secretKey=$SPRINGHEAD_SECRET_KEY"
email="curl.$$@example.com"

call() { curl --silent --show-error --fail --max-time 20 "${@:3}" "$url" -d "{\"method\":\"$1\",\"params\":$2,\"id\":1}"; }
expect() { [[ "$2" =~ $1 ]] || { echo "expected $1, got $2"; exit 1; }; }

made=$(call createLeads "{\"objects\":[{\"emailAddress\":\"$email\"}]}")
expect '^\{"result":\{"creates":\[\{"success":true,"error":null,"id":([0-9]+)\}\]\},"error":\[\],"id":1\}$' "$made"
id=${BASH_REMATCH[1]}
taken='\{"code":301,"message":"Entry already exists","data":\[\]\}'
expect "^\\{\"result\":\\{\"creates\":\\[\\{\"success\":false,\"error\":$taken\\}\\]\\},\"error\":\\[$taken\\],\"id\":1\\}\$" \
    "$(call createLeads "{\"objects\":[{\"emailAddress\":\"$email\"}]}" -H 'Expect: 100-continue')"
expect "^\\{\"result\":\\{\"lead\":\\[\\{\"id\":\"$id\",.*\"emailAddress\":\"$email\".*\\}\\]\\},\"error\":null,\"id\":1\\}\$" \
    "$(call getLeads "{\"where\":{\"emailAddress\":\"$email\"}}" --proxy "$SPRINGHEAD_URL")"
expect '^\{"result":\{"updates":\[\{"success":true,"error":null\}\]\},"error":\[\],"id":1\}$' \
    "$(call updateLeads "{\"objects\":[{\"id\":\"$id\",\"title\":\"CEO\"}]}" -H 'Content-Type:')"

call createLeads '{"objects":[{"emailAddress":"1@example.com"},{"emailAddress":"2@example.com"}]}' >/dev/null
offset=0
while page=$(call getLeads "{\"where\":[],\"limit\":2,\"offset\":$offset,\"fields\":[\"id\"]}"); do
    rows=$(grep -o '{"id":"' <<<"$page" | wc -l || true)
    offset=$((offset + rows))
    [ "$rows" -eq 2 ] || break
done
[ "$offset" -eq 3 ] || { echo "paged over $offset leads"; exit 1; }
expect '^\{"result":\{"field":\[\{"id":"[0-9]+","relationship":"lead","systemName":"id",' "$(call getFields '{"where":{}}' --http1.0)"
expect '"deletes":\[\{"success":true,"error":null\}\]' "$(call deleteLeads "{\"objects\":[{\"id\":$id}]}")"

big=$(mktemp)
trap 'rm -f "$big"' EXIT
{ printf '{"method":"updateLeads","params":{"objects":[{"id":1,"description":"'; head -c 3000000 /dev/zero | tr '\0' x
  printf '"}]},"id":"big"}'; } >"$big"
expect '"code":205.*"id":"big"\}$' "$(curl --silent --max-time 20 "$url" --data-binary "@$big")"  # curl asks first: 100
status=$(curl --silent --max-time 20 --output /dev/null --write-out '%{http_code}' "$SPRINGHEAD_URL/pubapi/v1/?accountID=x&secretKey=y" -d '{}')
[ "$status" = 401 ] || { echo "wrong credentials: $status"; exit 1; }
echo ok
