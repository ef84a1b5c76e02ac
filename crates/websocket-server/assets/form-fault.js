// A message at the field that it is about: sets or clears the text in the field's `aria-describedby` element.

export function setFault(field, message) {
  const place = document.getElementById(field.getAttribute("aria-describedby"));
  if (place.textContent !== (message ?? "")) place.textContent = message ?? "";
  place.hidden = !message;
  if (message) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
}
