// The theme changes at once. The form behind the button stores it in a cookie, from which the server writes it into each page.
import { tokenHeader } from "./requests"

const root = document.documentElement

document.addEventListener("submit", (event) => {
  const { submitter, target } = event
  if (!(submitter instanceof HTMLButtonElement) || !submitter.matches("[data-theme-switch]")) return
  if (!(target instanceof HTMLFormElement)) return
  event.preventDefault()
  const theme = isDark() ? "light" : "dark"
  root.dataset["theme"] = theme
  const fields = new FormData(target)
  fields.set("theme", theme)
  const body = new URLSearchParams([...fields].map(([name, value]) => [name, String(value)]))
  void fetch(target.action, { method: "POST", body, headers: tokenHeader(), redirect: "manual" })
})

/** Returns whether the page is dark now, by choice or as the system is. */
function isDark(): boolean {
  return root.dataset["theme"] ? root.dataset["theme"] === "dark" : matchMedia("(prefers-color-scheme: dark)").matches
}
