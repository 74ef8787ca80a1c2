# net/http and json of the standard library, with symbols for keys and a random id, as Ruby clients have them.
require "json"
require "net/http"
require "securerandom"
require "time"

URL = URI("#{ENV.fetch("SPRINGHEAD_URL")}/pubapi/v1.2/")
URL.query = URI.encode_www_form(accountID: ENV.fetch("SPRINGHEAD_ACCOUNT_ID"), secretKey: ENV.fetch("SPRINGHEAD_SECRET_KEY"))

def call(method, params = {})
  id = SecureRandom.uuid
  response = Net::HTTP.post(URL, {method: method, params: params, id: id}.to_json, "Content-Type" => "application/json")
  response.value # raises for anything but 2xx
  answer = JSON.parse(response.body)
  raise "another id" unless answer["id"] == id
  raise answer["error"]["message"] if answer["result"].nil?
  answer
end

def check(fact, what)
  raise what.inspect unless fact
end

email = "ruby.#{Process.pid}@example.com"
created = call("createLeads", objects: [{emailAddress: email, firstName: "Rúben", isUnsubscribed: "0"}])
check created["error"] == [] && created.dig("result", "creates", 0, "success") == true, created
id = created["result"]["creates"].first["id"]
check id.is_a?(Integer), id
check call("createLeads", objects: [{emailAddress: email.upcase}])["error"].first["code"] == 301, "taken"

lead = call("getLeads", where: {emailAddress: email})["result"]["lead"].first
check lead["id"] == id.to_s && lead["firstName"] == "Rúben" && lead["isUnsubscribed"] == "0", lead
check Time.strptime(lead["createTimestamp"] + " UTC", "%Y-%m-%d %H:%M:%S %Z") <= Time.now + 1, lead

updated = call("updateLeads", objects: [{id: id, lastName: "O'Brien", description: "a\nb\t\u2028\u{1F600}"}])
check updated["result"]["updates"] == [{"success" => true, "error" => nil}], updated
check call("getLead", id: id)["result"]["lead"].first["description"] == "a\nb\t\u2028\u{1F600}", "text"

call("createLeads", objects: (1..9).map { |i| {emailAddress: "#{i}.#{email}"} })
leads = []
loop do
  page = call("getLeads", where: {}, limit: 4, offset: leads.size)["result"]["lead"]
  leads.concat(page)
  break if page.size < 4
end
check leads.map { |one| one["id"] }.uniq.size == 10, leads.size

fields = call("getFields", where: {relationship: "lead"})["result"]["field"]
check fields.all? { |field| field.values.all?(String) }, fields
deletes = call("deleteLeads", objects: leads.map { |one| {id: one["id"].to_i} })["result"]["deletes"]
check deletes.all? { |one| one["success"] }, deletes
check call("getLeads", where: {id: id})["result"]["lead"].empty?, "gone"
begin
  call("getLead", id: "abc")
rescue RuntimeError => e
  check e.message == "Invalid parameters", e.message
end
puts "ok"
