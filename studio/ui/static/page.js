// Light or dark: a button with data-ts-theme switches, the choice is remembered, the system's choice holds until then.
(() => {
  const KEY = "ts-theme";
  const asked = new URLSearchParams(location.search).get("__theme");
  const wanted = () => (asked && asked !== "system" ? null : localStorage.getItem(KEY));
  const apply = () => {
    const choice = wanted();
    if (choice && document.body.classList.contains("dark") !== (choice === "dark")) {
      document.body.classList.toggle("dark", choice === "dark");
    }
  };
  // Gradio sets the class itself when it mounts and when the system changes.
  new MutationObserver(apply).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  apply();
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-ts-theme]")) return;
    const next = document.body.classList.contains("dark") ? "light" : "dark";
    localStorage.setItem(KEY, next);
    document.body.classList.toggle("dark", next === "dark");
  });
})();

// Gradio 6.31 tells of a textbox's input only on `keypress`, which no deletion, paste, drop or autofill makes: an edit
// that came without one is followed by one, so that the recipe always holds what the box shows.
(() => {
  const isBox = (target) => target instanceof Element && target.matches('[data-testid="textbox"]');
  let pressed = null;
  document.addEventListener('keypress', (event) => { if (event.isTrusted && isBox(event.target)) pressed = event.target; }, true);
  document.addEventListener('input', (event) => {
    if (!isBox(event.target)) return;
    const told = pressed === event.target;
    pressed = null;
    if (!told) event.target.dispatchEvent(new KeyboardEvent('keypress', {key: 'Unidentified'}));
  }, true);
})();
