// Selected rows, and what is done with all of them at once. Each action can be undone from its toast.
import { current, focus, rows } from "./grid"
import { search } from "./grid-search"
import { word } from "./grid-words"
import { tokenHeader } from "./requests"
import { show } from "./toast"

const selected = new Set<string>()
let last: string | null = null

export function isSelecting(): boolean {
  return selected.size > 0
}

/** Selects a row or takes it out; with `isRange`, all rows from the last one up to here. */
export function toggle(row: HTMLTableRowElement, isRange = false): boolean {
  const id = row.dataset["id"] ?? ""
  const all = rows()
  const start = all.findIndex((other) => other.dataset["id"] === last)
  if (isRange && start >= 0) {
    const end = all.indexOf(row)
    for (const other of all.slice(Math.min(start, end), Math.max(start, end) + 1)) selected.add(other.dataset["id"] ?? "")
  } else if (!selected.delete(id)) {
    selected.add(id)
  }
  last = id
  paint()
  return true
}

/** Selects all rows that are there. */
export function selectAll(): boolean {
  for (const row of rows()) selected.add(row.dataset["id"] ?? "")
  paint()
  return true
}

export function clear(): boolean {
  selected.clear()
  last = null
  paint()
  return true
}

/** Shows which rows are selected, and the bar of actions while there are any. */
function paint(): void {
  for (const row of rows()) {
    const isSelected = selected.has(row.dataset["id"] ?? "")
    row.ariaSelected = String(isSelected)
    const box = row.querySelector<HTMLInputElement>(".cb")
    if (box) box.checked = isSelected
  }
  document.querySelector(".tw")?.classList.toggle("picking", selected.size > 0)
  const bar = document.getElementById("pickbar")
  if (!bar) return
  bar.hidden = selected.size === 0
  const count = bar.querySelector("b")
  if (count) count.textContent = String(selected.size)
}

export function watchSelection(): void {
  document.addEventListener("click", (event) => {
    const { target } = event
    if (!(target instanceof Element)) return
    const row = target.matches(".leads .cb") ? target.closest<HTMLTableRowElement>("tr[data-id]") : null
    if (row) toggle(row, event.shiftKey)
    const button = target.closest<HTMLElement>("#pickbar [data-do], #status-menu [data-value]")
    if (button?.dataset["value"] !== undefined) void perform({ do: "status", value: button.dataset["value"] })
    else if (button?.dataset["do"] === "clear") clear()
    else if (button?.dataset["do"] && button.dataset["do"] !== "status") act(button.dataset["do"])
  })
  document.getElementById("choose")?.addEventListener("submit", (event) => {
    const dialog = event.currentTarget as HTMLDialogElement
    const field = dialog.querySelector("select")
    if (event.submitter?.getAttribute("value") === "ok" && field) void perform({ do: dialog.dataset["do"] ?? "", value: field.value })
  })
  document.addEventListener("springhead:results", paint)
  document.addEventListener("springhead:rows", paint)
}

/** Starts an action for the selected rows: at once, or after a choice. */
export function act(action: string): boolean {
  const button = document.querySelector<HTMLElement>(`#pickbar [data-do="${action}"]`)
  if (!button) return false
  if (action === "status") button.click()
  else if (action === "delete") void perform({ do: "delete" })
  else void choose(action, button)
  return true
}

/** Opens the dialog with the users or the lists. */
async function choose(action: string, button: HTMLElement): Promise<void> {
  const dialog = document.getElementById("choose")
  const field = dialog?.querySelector("select")
  if (!(dialog instanceof HTMLDialogElement) || !field) return
  try {
    const answer = await fetch(`/leads/choices?of=${action}`, { headers: { "HX-Request": "true" } })
    if (!answer.ok) throw new Error(answer.statusText)
    const fresh = new DOMParser().parseFromString(`<select>${await answer.text()}</select>`, "text/html")
    field.replaceChildren(...fresh.querySelectorAll("option"))
    field.selectedIndex = 0
    dialog.dataset["do"] = action
    const title = dialog.querySelector("h3")
    if (title) title.textContent = button.textContent.trim()
    dialog.showModal()
    field.focus()
  } catch {
    show(word("offline"), { bad: true })
  }
}

interface Done { message: string; undo?: Record<string, string>; isBad?: boolean }

/** Sends an action, shows what happened with Undo, and shows the rows as they are now. */
async function perform(fields: Record<string, string>): Promise<void> {
  const body = new URLSearchParams({ ids: [...selected].join(","), ...fields })
  try {
    const answer = await fetch("/leads/bulk", { method: "POST", body, headers: { ...tokenHeader(), "HX-Request": "true" } })
    const done = await answer.json() as Done
    const undo = done.undo && Object.keys(done.undo).length > 0 ? done.undo : null
    show(done.message, {
      bad: done.isBad ?? false,
      undo: undo ? { label: word("undo"), run: () => { void perform(undo) } } : undefined,
    })
    if (fields["do"] === "delete" && !done.isBad) clear()
    const cell = current()
    const focused = cell?.closest("tr")?.dataset["id"]
    await search(location.pathname + location.search)
    const row = rows().find((other) => other.dataset["id"] === focused)
    const again = row && cell ? row.cells[cell.cellIndex] : undefined
    if (again && !(document.activeElement instanceof HTMLInputElement)) focus(again)
  } catch {
    show(word("offline"), { bad: true })
  }
}
