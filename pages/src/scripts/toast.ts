// Toasts: what happened, with Undo. The server puts a toast into #toasts, and so does show(). The newest one is seen.
//
// It goes after 8 s, not while the pointer or the focus is on it. A failure (.bad) and progress (data-stays) stay. The last
// toast remains in the page, hidden: Ctrl Z presses its Undo as long as nothing newer has happened.
const STAYS_MS = 8_000

const shelf = document.getElementById("toasts") ?? document.body.appendChild(newShelf())
let timer = 0

interface Options {
  /** Something failed. */
  bad?: boolean
  /** The label of the button that takes it back, and what it does. */
  undo?: { label: string; run: () => void } | undefined
}

/** Shows a message. */
export function show(text: string, { bad = false, undo }: Options = {}): void {
  const toast = document.createElement("div")
  toast.className = bad ? "toast bad" : "toast"
  toast.setAttribute("role", bad ? "alert" : "status")
  toast.append(Object.assign(document.createElement("span"), { textContent: text }))
  if (undo) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "undo", textContent: undo.label })
    button.dataset["undo"] = ""
    button.addEventListener("click", () => { toast.remove(); undo.run() })
    toast.append(button)
  }
  shelf.append(toast)
}

function newShelf(): HTMLElement {
  const made = document.createElement("div")
  made.id = "toasts"
  made.ariaLive = "polite"
  return made
}

/** Returns the newest toast. */
function newest(): HTMLElement | null {
  return [...shelf.querySelectorAll<HTMLElement>(".toast")].at(-1) ?? null
}

/** Removes older toasts, and lets the newest one go after its time. */
function arrange(): void {
  const toast = newest()
  for (const older of shelf.querySelectorAll(".toast")) if (older !== toast) older.remove()
  wait()
}

function wait(): void {
  clearTimeout(timer)
  const toast = newest()
  if (!toast || toast.matches(".bad, [data-stays], :hover, :focus-within")) return
  timer = window.setTimeout(() => { toast.hidden = true }, STAYS_MS)
}

new MutationObserver(arrange).observe(shelf, { childList: true })
arrange()

for (const kind of ["pointerover", "pointerout", "focusin", "focusout"]) shelf.addEventListener(kind, () => queueMicrotask(wait))

shelf.addEventListener("keydown", (event) => {
  const toast = newest()
  if (event.key === "Escape" && toast) toast.hidden = true
})

document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "z" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return
  if (event.target instanceof Element && event.target.closest("input, textarea, [contenteditable]")) return
  const undo = newest()?.querySelector<HTMLElement>("[data-undo]")
  if (!undo) return
  event.preventDefault()
  undo.click()
})
