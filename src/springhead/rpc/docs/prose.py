"""What the reference pages say around their tables: written by hand, and checked by the tests that run the wire."""

INDEX = """\
# Reference
A call is `POST /pubapi/v1.2/` with a body such as `{"method": "getLead", "params": {"id": 1}, "id": "1"}`;
[API by example](../api-by-example.md) shows it whole. These pages are read off the code, and a test runs every example
in them. Answers come in one line; long ones are broken here, to be read."""

FOR_ALL = """\
## For all of them
- [Errors](errors.md): every code, its message, and when it comes.
- [openrpc.json](../../openrpc.json): all of this for programs; a server has it at `/openrpc.json`."""

ERRORS = """\
# Errors
Whatever reaches the API is answered with HTTP status 200, errors included. There are two other kinds of answer: 401
with a text when the credentials are wrong or missing, and a 4xx or a closed connection for what is no proper HTTP
request.

An error is an object of three members, always all three. `code` never changes its meaning, and `message` is the
vendor's own text, without its full stop, because clients compare it. What was wrong stands in `data`: `[]`, or
`params` with an entry for each wrong parameter or field.

- The **whole call** is refused: `result` is null and `error` is the object.
- **One object** of a write is refused: its place in the result has `"success": false` and the error, which stands in
  the list `error` again. The other objects go through."""

AFTER_ERRORS = """\
`data.retryAfter` of 106 and 107 is in seconds; the call was not counted and changed nothing. Of 999 there are two
messages. "Service temporarily unavailable, try again in a few minutes" passes by itself: call again. The other one is a
fault of the server, whose log tells more under `data.requestId`.

The vendor's codes 103, 104 and 105 are never sent: its service answers bad credentials with 401, and so does
Springhead. Its other codes come with the methods that need them."""

NOUN = """\
Columns come in this order, all of them. What is read is a string or null: numbers as digits, flags as `0` or `1`, times
as `YYYY-MM-DD HH:MM:SS`. Lengths of texts are in characters."""

SENT = """\
These can be sent; no method reads such an object. Lengths of texts are in characters."""

ASKED = """\
A read with `fields` gives the columns that it names and no others."""

LEAD = """\
Send null only where the table says so; `""` empties a text. A column that cannot be set may be sent and is ignored. No
call makes `leadStatus` `contactWithOpp` or ends it: that follows from opportunities, and to send it changes nothing.

After the columns come the custom fields, by system name: one that is not set reads as `""`, and null or `""` unsets it.
[field](field.md) lists their types."""

OPTIONS = """\
`options`, Springhead's own addition, stands last on a {types} field that has some: up to {most:,} texts of up to
{length} characters. Its values must be among them then; a checkbox field takes any of them, parted by commas. Without
options such a field takes any text."""

UNIQUE = """\
`isUnique`, Springhead's own addition, stands on a field of which no two leads have the same value (301), white space
around it not counting, upper and lower case apart. It is `1`, or `filling` while the values of many leads are still
being gone through, and can be set for the types {types}."""

CUSTOM_VALUES = """\
A date is `YYYY-MM-DD`, a datetime `YYYY-MM-DD HH:MM:SS`, stored as sent and in no zone. A boolean or a bit is `0` or
`1`. A url has a host, and http, https or ftp where it names a scheme. All other types are texts. What is longer than
the field's `dataLength` is refused with 205, never cut."""

WRITE = """\
`{key}`: an outcome for each object, in the order sent{with_id}. `error` is the list of the errors of the refused
objects, `[]` when there are none (null then, for a key made with `--plain-success`)."""

SUMMARY = """\
Of {all} methods {works} work with no known difference, {differs} work and differ in something that the table names, and
{missing} are not there yet. A method that is not there is answered with 204, "Invalid method signature"."""

GENERATED = """\
`hasMore`, outside and inside the result, says whether there are more behind them; `error` is `[]`."""

FLAT = """\
These stand in `params` themselves. A list `objects` of several such objects is taken too; then what is wrong with one
refuses it alone, and without the list it refuses the call."""

GROUPED = """\
A list of {noun} for each word of `{by}`, under the word itself, empty when there is none. `error` is null."""

ONLY_SUCCESS = """\
`success`: whether every object went through. `error` is null then, and otherwise the list of the errors of the refused
objects."""

CAPTURED = """\
 A key made with `--captured-calls` gets an outcome for each object instead, in the list `creates`."""
