// fetch, with the credentials in the headers, as today's TypeScript clients have it.
import assert from "node:assert/strict";

const { SPRINGHEAD_URL, SPRINGHEAD_ACCOUNT_ID, SPRINGHEAD_SECRET_KEY } = process.env;

async function call(method, params) {
  const response = await fetch(`${SPRINGHEAD_URL}/pubapi/v1.2`, {
    method: "POST",
    redirect: "error",
    headers: {
      "Content-Type": "application/json; charset=utf-8",
      "X-Account-Id": SPRINGHEAD_ACCOUNT_ID,
      Authorization: `Bearer ${SPRINGHEAD_SECRET_KEY}`,
    },
    body: JSON.stringify({ id: 9007199254740991, method, params }),
  });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const data = await response.json();
  assert.deepEqual(Object.keys(data), ["result", "error", "id"]);
  assert.equal(data.id, 9007199254740991);
  if (data.result === null) throw Object.assign(new Error(data.error.message), data.error);
  // null, [] or a list: only entries are errors
  return { rows: Object.values(data.result)[0], errors: Array.isArray(data.error) ? data.error : [], data };
}

async function upsert(lead) {
  const made = await call("createLeads", { objects: [lead] });
  if (made.errors.length === 0) return made.rows[0].id;
  assert.equal(made.errors[0].code, 301);
  const [found] = (await call("getLeads", { where: { emailAddress: lead.emailAddress }, limit: 1 })).rows;
  const updated = await call("updateLeads", { objects: [{ ...lead, id: found.id }] });
  assert.ok(updated.errors.every((error) => error.code === 302));
  return Number(found.id);
}

const emailAddress = `node.${process.pid}@example.com`;
const id = await upsert({ emailAddress, firstName: "Nöde", leadStatus: "open" });
assert.ok(Number.isSafeInteger(id));
assert.equal(await upsert({ emailAddress, firstName: "Ñode" }), id);
assert.equal(await upsert({ emailAddress: emailAddress.toUpperCase(), firstName: "Ñode" }), id);
const [lead] = (await call("getLead", { id })).rows;
assert.equal(lead.firstName, "Ñode");
assert.equal(lead.emailAddress, emailAddress.toUpperCase());

await Promise.all([1, 2, 3, 4, 5].map((n) => upsert({ emailAddress: `${n}.${emailAddress}` })));
const all = [];
for (;;) {
  const { rows, data } = await call("getLeads", { where: {}, limit: 2, offset: all.length });
  assert.equal(data.error, null);
  all.push(...rows);
  if (rows.length < 2) break;
}
assert.equal(new Set(all.map((one) => one.id)).size, 6);
assert.ok((await call("getFields", { where: { isCustom: 0 } })).rows.length > 30);
await assert.rejects(call("getLeads", { where: { firstName: "x" } }), { code: 205, message: "Invalid parameters" });
const gone = await call("deleteLeads", { objects: all.map((one) => ({ id: one.id })) });
assert.ok(gone.rows.every((row) => row.success === true && row.error === null));
assert.deepEqual(gone.data.error, []);
console.log("ok");
