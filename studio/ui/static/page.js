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
