// The editor of a filter: offers only tests that fit the field, and the values of a field that has few. Without it, all are offered.
function fit(): void {
  const field = document.querySelector<HTMLSelectElement>("#filter-field")
  const test = document.querySelector<HTMLSelectElement>("#filter-op")
  const value = document.querySelector<HTMLInputElement>("#filter-value")
  if (!field || !test || !value) return
  const fitting = new Set(field.selectedOptions[0]?.dataset["operators"]?.split(" "))
  for (const option of test.options) option.hidden = option.disabled = !fitting.has(option.value)
  if (!fitting.has(test.value)) test.value = [...fitting][0] ?? ""
  value.disabled = test.value === "empty" || test.value === "not_empty"
  const labels = document.querySelector<HTMLTemplateElement>(`template[data-options="${CSS.escape(field.value)}"]`)?.content.children ?? []
  document.getElementById("filter-values")?.replaceChildren(...[...labels].map((label) => new Option(label.textContent, label.textContent)))
}

export function watchFilter(): void {
  document.addEventListener("change", ({ target }) => {
    if (target instanceof HTMLElement && target.matches("#filter-field, #filter-op")) fit()
  })
  document.addEventListener("toggle", ({ target }) => {
    if (target instanceof HTMLElement && target.id === "filter-editor") fit()
  }, { capture: true })
}
