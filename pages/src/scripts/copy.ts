// Texts to copy. A field with data-copy is selected as a whole when it gets the focus. A button with data-copy="ID" copies the
// text of the element with this id, and says data-copied, the text of a toast.
import { show } from "./toast"

document.addEventListener("focusin", ({ target }) => {
  if (target instanceof HTMLInputElement && target.matches("[data-copy]")) target.select()
})

document.addEventListener("click", ({ target }) => {
  const button = target instanceof Element ? target.closest<HTMLButtonElement>("button[data-copy]") : null
  const source = button && document.getElementById(button.dataset["copy"] ?? "")
  if (button && source) void copy(source, button.dataset["copied"] ?? "")
})

/** Copies a text, or selects it where a page may not write to the clipboard (without TLS). */
async function copy(source: HTMLElement, copied: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(source instanceof HTMLInputElement ? source.value : source.innerText)
    if (copied) show(copied)
  } catch {
    if (source instanceof HTMLInputElement) source.select()
    else getSelection()?.selectAllChildren(source)
  }
}
