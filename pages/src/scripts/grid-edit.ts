// Edits of a cell in place. Enter saves and moves down, Tab saves and moves on, Esc restores. The new value shows at once, and the
// value that was read goes along: if somebody has changed it meanwhile, theirs is shown. What was typed is never lost.
import { focus, move } from "./grid"
import { word } from "./grid-words"
import { tokenHeader } from "./requests"
import { show } from "./toast"

type Field = HTMLInputElement | HTMLSelectElement

const TIMEOUT_MS = 10_000

/** The cell in edit, with what it showed before. */
let editing: { cell: HTMLTableCellElement; before: Node[]; field: Field } | null = null

export function isEditing(): boolean {
  return editing !== null
}

/** Returns the head of a cell's column. */
function head(cell: HTMLTableCellElement): HTMLElement | null {
  return document.querySelector<HTMLElement>(`.leads thead tr > :nth-child(${cell.cellIndex + 1})`)
}

/** Returns the stored value of a cell. */
function valueOf(cell: HTMLTableCellElement): string {
  return cell.dataset["value"] ?? cell.textContent.trim()
}

/** Starts to edit a cell, with `text` instead of its value if it is given. Returns whether the key was used. */
export function edit(cell: HTMLTableCellElement, text?: string): boolean {
  const column = head(cell)
  const editor = column?.dataset["editor"]
  if (!editor || cell.ariaReadOnly === "true" || editing) return cell.ariaReadOnly === "true"
  focus(cell)
  const field = editor === "text" ? input(column) : select(column, valueOf(cell))
  field.className = "input"
  field.ariaLabel = column.textContent.trim()
  field.value = text ?? valueOf(cell)
  editing = { cell, before: [...cell.childNodes], field }
  cell.replaceChildren(field, keys())
  cell.classList.add("edit")
  field.focus()
  if (field instanceof HTMLInputElement) field.select()
  field.addEventListener("keydown", (event) => { onKey(event as KeyboardEvent) })
  field.addEventListener("blur", () => { if (editing?.field === field) finish(true) })
  return true
}

function input(column: HTMLElement): HTMLInputElement {
  const field = document.createElement("input")
  field.type = "text"
  field.inputMode = column.dataset["mode"] ?? "text"
  field.autocomplete = "off"
  return field
}

function select(column: HTMLElement, value: string): HTMLSelectElement {
  const field = document.createElement("select")
  if (column.dataset["editor"] === "person") {
    field.append(new Option("…", value))
    void people(field, value)
    return field
  }
  const options = document.querySelector<HTMLTemplateElement>(`template[data-options="${CSS.escape(column.dataset["field"] ?? "")}"]`)
  if (options) field.append(options.content.cloneNode(true))
  if (![...field.options].some((option) => option.value === value)) field.prepend(new Option(value, value))
  return field
}

/** Fills a choice with the users of the company. Without an answer, the value stays as it is. */
async function people(field: HTMLSelectElement, value: string): Promise<void> {
  try {
    const answer = await fetch("/leads/choices?of=owner", { headers: { "HX-Request": "true" } })
    if (!answer.ok || !field.isConnected) return
    const fresh = new DOMParser().parseFromString(`<select>${await answer.text()}</select>`, "text/html")
    field.replaceChildren(...fresh.querySelectorAll("option"))
    field.value = value
  } catch {
    // the value that is there stays chosen
  }
}

/** Returns the line below the cell that says which keys do what. */
function keys(): HTMLElement {
  const line = document.createElement("span")
  line.className = "keys"
  for (const [key, text] of [["↵", word("key_save")], ["Tab", word("key_next")], ["Esc", word("key_leave")]] as const) {
    const part = document.createElement("span")
    part.append(Object.assign(document.createElement("kbd"), { textContent: key }), text)
    line.append(part)
  }
  return line
}

function onKey(event: KeyboardEvent): void {
  if (event.isComposing) return
  event.stopPropagation()
  if (event.key === "Escape") finish(false)
  else if (event.key === "Enter") finish(true, [event.shiftKey ? -1 : 1, 0])
  else if (event.key === "Tab") finish(true, [0, event.shiftKey ? -1 : 1])
  else return
  event.preventDefault()
}

/** Ends the edit: saves or restores, and moves on. */
function finish(isSaved: boolean, step?: [number, number]): void {
  if (!editing) return
  const { cell, before, field } = editing
  editing = null
  const was = cell.dataset["value"] ?? before.map((node) => node.textContent ?? "").join("").trim()
  const value = field.value.trim()
  cell.classList.remove("edit")
  cell.replaceChildren(...before)
  if (step) move(...step, cell)
  else if (document.activeElement === document.body) focus(cell)
  if (!isSaved || value === was) return
  const label = field instanceof HTMLSelectElement ? field.selectedOptions[0]?.textContent ?? value : value
  cell.replaceChildren(label)
  void save(cell, value, was, before)
}

interface Refusal { message: string; theirs?: string }

async function save(cell: HTMLTableCellElement, value: string, was: string, before: Node[]): Promise<void> {
  const row = cell.closest("tr")
  const field = head(cell)?.dataset["field"] ?? ""
  const id = row?.dataset["id"] ?? ""
  cell.ariaBusy = "true"
  try {
    const body = new URLSearchParams({ id, field, value, was, full: cell.closest("table")?.dataset["full"] ?? "" })
    const answer = await fetch(`/leads/cell${location.search}`, {
      method: "POST", body, headers: { ...tokenHeader(), "HX-Request": "true" }, signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    if (answer.ok && row) showSaved(row, cell, await answer.text())
    else refuse(cell, value, was, before, answer.headers.get("content-type") === "application/json" ? await answer.json() as Refusal : { message: word("offline") })
  } catch {
    refuse(cell, value, was, before, { message: word("offline") })
  } finally {
    cell.removeAttribute("aria-busy")
  }
}

/** Puts the row as the server knows it into the table. A cell in edit stays as it is. */
function showSaved(row: HTMLTableRowElement, cell: HTMLTableCellElement, text: string): void {
  const fresh = new DOMParser().parseFromString(text, "text/html").querySelector("tr")
  for (const [index, old] of [...row.cells].entries()) {
    const now = fresh?.cells[index]
    if (!now || index === 0 || old === editing?.cell) continue
    old.replaceChildren(...now.childNodes)
    if (now.dataset["value"] === undefined) delete old.dataset["value"]
    else old.dataset["value"] = now.dataset["value"]
  }
  cell.classList.add("saved")
  cell.addEventListener("animationend", () => { cell.classList.remove("saved") }, { once: true })
}

/** Opens the cell again with what was typed, and says why it was refused. Of a conflict, theirs can be taken. */
function refuse(cell: HTMLTableCellElement, value: string, was: string, before: Node[], { message, theirs }: Refusal): void {
  cell.replaceChildren(...before)
  if (editing || !cell.isConnected) {
    show(`${message} ${value}`, { bad: true })
    return
  }
  if (theirs !== undefined) cell.dataset["value"] = theirs
  else if (cell.dataset["value"] !== undefined) cell.dataset["value"] = was
  edit(cell, value)
  const line = cell.querySelector(".keys")
  const text = Object.assign(document.createElement("span"), { textContent: theirs === undefined ? message : `${message} ${word("theirs")} ${theirs}` })
  text.setAttribute("role", "alert")
  text.id = "refusal"
  line?.prepend(text)
  cell.querySelector(".input")?.setAttribute("aria-describedby", "refusal")
  cell.querySelector(".input")?.setAttribute("aria-invalid", "true")
}
