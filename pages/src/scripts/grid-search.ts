// Search as you type: 120 ms after the last key the former request is aborted. Old rows are dimmed after 200 ms, never blanked.
import { forgetRows } from "./grid-rows"
import { word } from "./grid-words"

const WAIT_MS = 120
const DIM_MS = 200
const SLOW_MS = 1_000

const PARTS = ["views", "chips", "results", "status"]

let request = new AbortController()

export function watchSearch(): void {
  void count()
  document.addEventListener("springhead:results", () => { void count() })
  let timer = 0
  document.addEventListener("input", ({ target }) => {
    if (!(target instanceof HTMLInputElement) || target.id !== "q") return
    clearTimeout(timer)
    timer = window.setTimeout(() => { void search(address()) }, WAIT_MS)
  })
  document.addEventListener("submit", (event) => {
    if (!(event.target instanceof HTMLFormElement) || event.target.id !== "strip") return
    event.preventDefault()
    clearTimeout(timer)
    void search(address())
  })
}

/** Returns the address of the table with the words that are in the field. */
function address(): string {
  const form = document.querySelector<HTMLFormElement>("#strip")
  const fields = form ? [...new FormData(form)].map(([name, value]) => [name, String(value)]) : []
  const query = new URLSearchParams(fields.filter(([name, value]) => value || name === "sort")).toString()
  return query ? `/leads?${query}` : "/leads"
}

/** Shows the table at an address, without a change of the field that has the focus. */
export async function search(path: string): Promise<void> {
  request.abort()
  const mine = request = new AbortController()
  const results = document.getElementById("results")
  const dim = window.setTimeout(() => { results?.classList.add("dimmed") }, DIM_MS)
  const slow = window.setTimeout(() => {
    const status = document.querySelector("#status [role=status]")
    if (status) status.textContent = word("still")
  }, SLOW_MS)
  try {
    const answer = await fetch(path, { headers: { "HX-Request": "true" }, signal: mine.signal })
    if (answer.status === 401) {
      location.assign(path)
      return
    }
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html")
    if (mine.signal.aborted) return
    for (const id of PARTS) {
      const part = fresh.getElementById(id)
      if (part) document.getElementById(id)?.replaceWith(part)
    }
    history.replaceState(history.state, "", path)
    forgetRows()
    document.dispatchEvent(new Event("springhead:results"))
  } catch {
    results?.classList.remove("dimmed")
  } finally {
    clearTimeout(dim)
    clearTimeout(slow)
  }
}

/** Puts the exact number in the place of `10,000+`, in the status and beside the name of the view. */
async function count(): Promise<void> {
  const status = document.querySelector<HTMLElement>("#status [data-count]")
  const { count: path, inexact } = status?.dataset ?? {}
  if (!status || !path || !inexact) return
  try {
    const answer = await fetch(path, { headers: { "HX-Request": "true" }, signal: request.signal })
    if (answer.status !== 200 || !status.isConnected) return
    const exact = (await answer.text()).trim()
    status.textContent = status.textContent.replace(inexact, exact)
    const tab = document.querySelector("#views [aria-current] .c")
    if (tab) tab.textContent = exact
  } catch {
    // a newer search has begun, or the server is away: the number stays as it is
  }
}
