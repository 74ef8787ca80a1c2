// The form for a new lead: says at once when the address belongs to a lead already. The server knows, and answers with a link.
const WAIT_MS = 200

export function start(): void {
  const form = document.querySelector<HTMLFormElement>("form[data-known]")
  const field = form?.querySelector<HTMLInputElement>("[name=emailAddress]")
  if (!form || !field || form.dataset["started"]) return
  form.dataset["started"] = ""
  let timer = 0
  let last = new AbortController()
  field.addEventListener("input", () => {
    clearTimeout(timer)
    last.abort()
    timer = window.setTimeout(() => {
      last = new AbortController()
      void look(`${form.dataset["known"] ?? ""}?${new URLSearchParams({ emailAddress: field.value }).toString()}`, last.signal)
    }, WAIT_MS)
  })
}

/** Puts the answer of the server below the field. Without an answer, the server says it when the form is sent. */
async function look(address: string, signal: AbortSignal): Promise<void> {
  try {
    const answer = await fetch(address, { headers: { "HX-Request": "true" }, signal })
    if (!answer.ok) return
    const known = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("known")
    if (known) document.getElementById("known")?.replaceWith(known)
  } catch {
    // a newer key has aborted the request, or the server is away
  }
}
