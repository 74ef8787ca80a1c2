// node:http with callbacks: chunked request bodies (no Content-Length), one kept-alive connection.
const http = require("node:http");
const assert = require("node:assert");

const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const query = new URLSearchParams({
  accountID: process.env.SPRINGHEAD_ACCOUNT_ID,
  secretKey: process.env.SPRINGHEAD_SECRET_KEY,
});

function call(method, params, done) {
  const request = http.request(`${process.env.SPRINGHEAD_URL}/pubapi/v1/?${query}`, { method: "POST", agent }, (answer) => {
    assert.strictEqual(answer.statusCode, 200);
    let text = "";
    answer.setEncoding("utf8").on("data", (piece) => (text += piece));
    answer.on("end", () => {
      const { result, error, id } = JSON.parse(text);
      assert.strictEqual(id, method);
      done(error && error.code ? error : null, result, error);
    });
  });
  const body = JSON.stringify({ method, params, id: method });
  request.write(body.slice(0, 10)); // no end(body): it would send a Content-Length
  request.end(body.slice(10));
}

const email = `nodehttp.${process.pid}@example.com`;
call("createLeads", { objects: [{ emailAddress: email }, { emailAddress: email }] }, (failed, { creates }, errors) => {
  assert.deepStrictEqual(creates.map((one) => one.success), [true, false]);
  assert.deepStrictEqual(errors, [{ code: 301, message: "Entry already exists", data: [] }]);
  call("getLeads", { where: { emailAddress: [email] } }, (_, { lead }, none) => {
    assert.strictEqual(none, null);
    assert.strictEqual(lead[0].id, String(creates[0].id));
    call("updateLeads", { objects: [{ id: lead[0].id, website: "www.example.com" }] }, (_, { updates }) => {
      assert.deepStrictEqual(updates, [{ success: true, error: null }]);
      page(0, (total) => {
        assert.strictEqual(total, 1);
        call("getFields", { where: "" }, (_, { field }) => {
          assert.ok(field.some((one) => one.systemName === "website"));
          call("deleteLeads", { objects: [{ id: creates[0].id }] }, (_, { deletes }) => {
            assert.strictEqual(deletes[0].success, true);
            call("noSuchMethod", {}, (refused) => {
              assert.strictEqual(refused.code, 204);
              agent.destroy();
              console.log("ok");
            });
          });
        });
      });
    });
  });
});

function page(offset, done) {
  call("getLeads", { where: null, limit: 1, offset }, (_, { lead }) =>
    lead.length ? page(offset + lead.length, done) : done(offset));
}
