/**
 * A path as people write it in its one spelling: absolute, without `.`, `..`, double and trailing slashes. Nothing is
 * looked up: what is a link stays one.
 *
 * @param text An absolute path; others are taken as if they began at the root.
 * @see Nix: src/libutil/util.cc, `canonPath`
 */
export function canonicalPath(text: string): string {
  const components: string[] = [];
  for (const component of text.split("/")) {
    if (component === "..") components.pop();
    else if (component !== "" && component !== ".") components.push(component);
  }
  return `/${components.join("/")}`;
}
