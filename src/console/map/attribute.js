// @ts-check
// Attributes changed in place. An attribute that is set to what it is already costs style and layout again, so it is compared.

/**
 * Sets an attribute unless it is so already; null takes it away.
 * @param {Element} node
 * @param {string} name
 * @param {string | number | null} value
 */
export function set(node, name, value) {
  if (value === null) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
    return;
  }
  const text = String(value);
  if (node.getAttribute(name) !== text) node.setAttribute(name, text);
}
