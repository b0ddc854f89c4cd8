/** Brings the first field with a problem into sight, and opens what it is folded into. */
export function showFirst(form: HTMLFormElement | null, selector: string): void {
  const field = form?.querySelector<HTMLInputElement>(selector);
  if (field === null || field === undefined) return;
  for (let around = field.closest('details'); around !== null; around = around.parentElement?.closest('details') ?? null)
    around.open = true;
  field.focus();
  if (!field.validity.valid) field.reportValidity();
}
