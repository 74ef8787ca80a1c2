// Finders: a field with data-list="ID" chooses from the list with this id, whose options the server makes. The field keeps the
// focus; arrows move, Enter clicks the option. A link in an option is followed.
import Combobox from "@github/combobox-nav"

const finders = new WeakMap<HTMLInputElement, Combobox>()

document.addEventListener("focusin", ({ target }) => {
  if (!(target instanceof HTMLInputElement)) return
  const list = target.dataset["list"] ? document.getElementById(target.dataset["list"]) : null
  if (!list) return
  const finder = finders.get(target)
  if (finder?.list === list) return
  finder?.destroy()
  const made = new Combobox(target, list, { tabInsertsSuggestions: false, firstOptionSelectionMode: "selected" })
  finders.set(target, made)
  made.start()
})

document.addEventListener("combobox-commit", ({ target }) => {
  if (target instanceof HTMLElement) target.querySelector<HTMLElement>("a[href], button")?.click()
})

// New options: the first one is chosen, so that Enter takes the best match.
document.addEventListener("htmx:after:swap", () => {
  const field = document.activeElement
  if (field instanceof HTMLInputElement) finders.get(field)?.resetSelection()
})
