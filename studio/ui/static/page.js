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
    const signIn = event.target.closest?.('a[href="/login/huggingface"]');
    // In a frame, as huggingface.co shows a Space, signing in needs a tab of its own; elsewhere this one will do.
    if (signIn && window.top === window.self) signIn.target = "_self";
  }, true);
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
  document.addEventListener('keypress', (event) => {
    if (!event.isTrusted || !isBox(event.target)) return;
    pressed = event.target;
    setTimeout(() => { pressed = null; });  // Enter changes nothing: the next edit is another one
  }, true);
  document.addEventListener('input', (event) => {
    if (!isBox(event.target)) return;
    const told = pressed === event.target;
    pressed = null;
    if (!told) event.target.dispatchEvent(new KeyboardEvent('keypress', {key: 'Unidentified'}));
  }, true);
})();

// The page asks to be loaded again where the studio does not know it any more; the browser has kept the form.
(() => {
  const KEY = 'ts-reloaded';
  const look = () => {
    if (!document.querySelector('#recipe-card [data-reload]')) return;
    const before = Number(sessionStorage.getItem(KEY) ?? 0);
    if (Date.now() - before < 5000) return;
    sessionStorage.setItem(KEY, String(Date.now()));
    location.reload();
  };
  new MutationObserver(look).observe(document.documentElement, {childList: true, subtree: true});
})();

// The tab that was open stays open over a reload. Tabs answer to the arrow keys.
(() => {
  const KEY = 'ts-tab', TABS = '.ts-main > .tabs button[role=tab][data-tab-id], .ts-main button[role=tab][data-tab-id]';
  const find = (id) => document.querySelector(`button[role=tab][data-tab-id="${CSS.escape(id)}"]`);
  const wanted = sessionStorage.getItem(KEY);
  if (wanted && wanted !== 'method') {
    const wait = new MutationObserver(() => {
      if (!document.querySelector('#recipe-card pre.ts-code')) return;
      wait.disconnect();
      find(wanted)?.click();
    });
    wait.observe(document.documentElement, {childList: true, subtree: true});
  }
  document.addEventListener('click', (event) => {
    const tab = event.target.closest?.(TABS);
    if (tab) sessionStorage.setItem(KEY, tab.dataset.tabId);
  }, true);
  document.addEventListener('keydown', (event) => {
    const tab = event.target.closest?.('button[role=tab]');
    const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (!tab || !step || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = [...tab.parentElement.querySelectorAll('button[role=tab]')].filter((one) => one.offsetParent);
    const next = all[(all.indexOf(tab) + step + all.length) % all.length];
    event.preventDefault();
    next.focus();
    next.click();
  });
})();

// Simple or Advanced: a choice of the browser, so that it costs no request and no recipe.
(() => {
  const KEY = 'ts-level', root = document.documentElement;
  const press = () => {
    for (const button of document.querySelectorAll('[data-level]')) {
      button.setAttribute('aria-pressed', String(button.dataset.level === (root.dataset.tsLevel ?? 'simple')));
    }
  };
  const take = (level) => { root.dataset.tsLevel = level === 'advanced' ? 'advanced' : 'simple'; press(); };
  take(localStorage.getItem(KEY));
  document.addEventListener('click', (event) => {
    const button = event.target.closest?.('button[data-level]');
    if (!button) return;
    localStorage.setItem(KEY, button.dataset.level);
    take(button.dataset.level);
  });
  new MutationObserver((changes) => {
    if (changes.some((change) => [...change.addedNodes].some((node) => node.querySelector?.('[data-level]')))) press();
  }).observe(root, {childList: true, subtree: true});
})();

// Leading to a field: an element with data-go="tab:argument" opens the tab, scrolls to the control and focuses it.
// A control that stands on no tab is shown by *All options*.
(() => {
  const LIMIT = 3000; // milliseconds until a tab must have drawn its controls
  const visible = (found) => found && found.offsetParent !== null;
  const control = (name) => [...document.querySelectorAll(
    `[id="arg-${CSS.escape(name)}"], [id^="arg-${CSS.escape(name)}-"], [id="${CSS.escape(name)}"]`,
  )].find(visible);
  const point = (found) => {
    found.scrollIntoView({block: 'center'});
    found.querySelector('input, textarea, button, select')?.focus({preventScroll: true});
    found.classList.add('ts-pointed');
    setTimeout(() => found.classList.remove('ts-pointed'), 2500);
  };
  const open = (tab) => document.querySelector(`button[role=tab][data-tab-id="${CSS.escape(tab)}"]`)?.click();
  const inAllOptions = (name) => document.dispatchEvent(new CustomEvent('ts-show-option', {detail: {name}}));
  document.addEventListener('ts-show-option', (event) => {
    window.tsOptionWanted = event.detail.name; // for a list that is drawn later
    open('options');
    window.tsOptions?.show?.(event.detail.name);
  });
  window.tsGo = (tab, name) => {
    if (tab === 'options' && name) { inAllOptions(name); return; }
    open(tab);
    if (!name) return;
    const until = performance.now() + LIMIT;
    const look = () => {
      const found = control(name);
      if (found) { point(found); return; }
      const advanced = document.querySelector(`[id^="arg-${CSS.escape(name)}"].ts-advanced`);
      if (advanced && document.documentElement.dataset.tsLevel !== 'advanced') {
        document.querySelector('button[data-level="advanced"]')?.click();
      }
      if (performance.now() < until) { requestAnimationFrame(look); return; }
      inAllOptions(name);
    };
    requestAnimationFrame(look);
  };
  const go = (target) => {
    const [tab, name] = target.split(':');
    if (tab === 'recipe') {  // what no control holds is settled on the card itself
      const found = document.querySelector('#recipe-card .ts-finding.error');
      if (found) point(found);
      return;
    }
    window.tsGo(tab, name);
  };
  document.addEventListener('click', (event) => {
    const link = event.target.closest?.('[data-go]');
    if (link) { go(link.dataset.go); return; }
    if (!event.target.closest?.('#start')) return;
    const next = document.querySelector('#recipe-card [data-next]')?.dataset.next;
    if (next) go(next);
  });
})();

// Shortcuts. The ones without Ctrl or Cmd hold only outside of fields, and can be switched off in their list.
(() => {
  const KEY = 'ts-keys';
  const SEARCHES = ['#options-search', '#preset-search', '#arg-model_name_or_path input, #arg-model_name_or_path textarea',
    '#dataset input, #dataset textarea', '[role=tabpanel] input[type=search]'];
  const isField = (target) => target instanceof Element && target.closest('input, textarea, select, [contenteditable=true]');
  const dialog = () => document.querySelector('dialog.ts-keys');
  const tabs = () => [...document.querySelectorAll('.ts-main > .tabs > .tab-wrapper button[role=tab]')].filter((one) => one.offsetParent);
  const list = () => {
    if (dialog()?.open) { dialog().close(); return; }
    const box = dialog() ?? document.body.querySelector('.gradio-container').appendChild(document.createElement('dialog'));
    box.className = 'ts-keys';
    const on = localStorage.getItem(KEY) !== 'off';
    const rows = [['Ctrl or Cmd + Enter', 'Start'], ['1 to 9', 'Open a tab'], ['/', 'Search'], ['← →', 'Next tab, with the focus on one'], ['?', 'This list']];
    box.innerHTML = `<h2>${window.tsSay('Shortcuts')}</h2><dl>` + rows.map(([key, what]) => `<dt><kbd>${key}</kbd></dt><dd>${window.tsSay(what)}</dd>`).join('')
      + `</dl><label><input type="checkbox" ${on ? 'checked' : ''}> Single keys (1 to 9, /, ?)</label>`
      + `<form method="dialog"><button class="ts-btn">${window.tsSay('Close')}</button></form>`;
    box.querySelector('input').addEventListener('change', (event) => localStorage.setItem(KEY, event.target.checked ? 'on' : 'off'));
    box.showModal();
  };
  document.addEventListener('click', (event) => { if (event.target.closest?.('[data-ts-keys]')) list(); });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      const start = document.querySelector('#start');
      if (start?.offsetParent && !start.disabled) { event.preventDefault(); start.focus(); start.click(); }  // leaves the box that is typed in
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || isField(event.target) || dialog()?.open) return;
    if (localStorage.getItem(KEY) === 'off') return;
    if (event.key === '?') { event.preventDefault(); list(); return; }
    if (event.key === '/') {
      const box = SEARCHES.map((one) => [...document.querySelectorAll(one)].find((found) => found.offsetParent)).find(Boolean);
      if (box) { event.preventDefault(); box.focus(); box.select?.(); }
      return;
    }
    const tab = /^[1-9]$/.test(event.key) ? tabs()[Number(event.key) - 1] : null;
    if (tab) { event.preventDefault(); tab.click(); tab.focus(); }
  });
})();

// A button or box marked data-keep has the focus again after its piece of the page was drawn anew.
(() => {
  let kept = null;
  document.addEventListener('focusin', (event) => { kept = event.target.closest?.('[data-keep]')?.dataset.keep ?? null; });
  document.addEventListener('pointerdown', (event) => { if (!event.target.closest?.('[data-keep]')) kept = null; }, true);
  new MutationObserver(() => {
    if (kept === null || document.activeElement !== document.body) return;
    document.querySelector(`[data-keep="${CSS.escape(kept)}"]`)?.focus({preventScroll: true});
  }).observe(document.documentElement, {childList: true, subtree: true});
})();

// What was said of one dataset pales while another one is looked at, until something is said of that.
(() => {
  const say = (english) => window.tsSay(english);
  let before = null;
  const box = (event) => (event.target.closest?.('#dataset') ? event.target : null);
  const look = (name) => {
    const drawn = document.querySelector('#data-preview');
    if (!name || !drawn || name === before) return;
    before = name;
    drawn.dataset.looking = say('Looking at {name} …').replace('{name}', name);
    const done = () => { delete drawn.dataset.looking; seen.disconnect(); };
    const seen = new MutationObserver(done);
    seen.observe(drawn, {childList: true, subtree: true});
    setTimeout(done, 9000);
  };
  document.addEventListener('focusin', (event) => { if (box(event)) before = box(event).value.trim(); });
  document.addEventListener('keydown', (event) => { if (event.key === 'Enter') look(box(event)?.value.trim()); });
  document.addEventListener('focusout', (event) => look(box(event)?.value.trim()));
  document.addEventListener('click', (event) => look(event.target.closest?.('#dataset-search [data-offer]')?.dataset.offer));
})();

// Of a file that is too large Gradio says only that it is: said here before it is sent, with what to do instead.
(() => {
  const gigabytes = (bytes) => (bytes / 1e9).toPrecision(2);
  document.addEventListener('change', (event) => {
    const row = event.target.type === 'file' ? event.target.closest('.ts-actions-row') : null;
    if (!row?.querySelector('#data-upload')) return;
    row.parentElement.querySelector('.ts-finding.upload')?.remove();
    const most = window.gradio_config?.max_file_size;
    const large = [...event.target.files].find((file) => most && file.size > most);
    if (!large) return;
    event.stopImmediatePropagation();
    event.target.value = '';
    const say = (english, values) => window.tsSay(english).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
    const box = document.createElement('div');
    box.className = 'ts-finding error upload';
    box.setAttribute('role', 'alert');
    const [text, what, why] = ['div', 'b', 'small'].map((tag) => document.createElement(tag));
    what.textContent = say('{name} has {size} GB, and at most {most} GB are taken.',
      {name: large.name, size: gigabytes(large.size), most: gigabytes(most)});
    why.textContent = say('Put it in a folder on this machine and type its path, or set {setting} higher.', {setting: 'TRL_STUDIO_UPLOAD_GB'});
    text.append(what, why);
    box.append(text);
    row.after(box);
  }, true);
})();

// Words in our own HTML ([data-say], with {name} filled from data-with) in the browser's language; Gradio does the rest.
(() => {
  const all = () => window.gradio_config?.i18n_translations ?? {};
  const dictionary = () => {
    const wanted = [...navigator.languages].flatMap((one) => [one, one.split('-')[0]]);
    for (const one of wanted) {
      if (one.startsWith('en')) return null;
      const found = Object.keys(all()).find((code) => code.toLowerCase() === one.toLowerCase() || code.split('-')[0] === one);
      if (found) return all()[found];
    }
    return null;
  };
  let words;
  const known = () => (words === undefined && window.gradio_config ? (words = dictionary()) : words);
  window.tsSay = (english) => known()?.[english] ?? english;
  const put = (one) => {
    const said = known()?.[one.dataset.say];
    if (!said) return;
    const values = JSON.parse(one.dataset.with ?? '{}');
    const filled = said.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
    if (one.textContent !== filled) one.textContent = filled;
  };
  // The words of Start come from the server as text, some with a number and a tab in them.
  const STARTS = ['Start training', 'Choose a model', 'Choose a dataset', 'See it for this machine, to start here',
    'Settle {count} question in {tab}', 'Settle {count} questions in {tab}'];
  const patterns = STARTS.map((key) => [key, new RegExp(`^${key.replace(/\{(\w+)\}/g, '(?<$1>.+)')}$`)]);
  const start = (node) => {
    for (const [key, pattern] of patterns) {
      const found = pattern.exec(node.nodeValue.trim());
      if (!found || !known()[key]) continue;
      const values = found.groups ?? {};
      if (values.tab) values.tab = known()[values.tab] ?? values.tab;
      node.nodeValue = known()[key].replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
      return;
    }
  };
  const texts = (root, act) => {
    const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    for (let node = walk.nextNode(); node; node = walk.nextNode()) act(node);
  };
  new MutationObserver((changes) => {
    if (!known()) return;
    for (const change of changes) {
      const button = (change.target.nodeType === 1 ? change.target : change.target.parentElement)?.closest('#start');
      if (button) texts(button, start);
      for (const node of change.addedNodes) {
        if (node.nodeType === 1 && node.querySelector('#start')) texts(node.querySelector('#start'), start);
        if (node.nodeType !== 1) continue;
        if (node.dataset?.say) put(node);
        node.querySelectorAll('[data-say]').forEach(put);
      }
    }
  }).observe(document.documentElement, {childList: true, subtree: true, characterData: true});
})();

// A piece of HTML that is drawn anew between pressing and releasing the mouse would lose the click: where the same
// button lies under the mouse then, it is clicked.
(() => {
  let pressed = null;
  document.addEventListener('pointerdown', (event) => { pressed = event.target.closest?.('.html-container button'); }, true);
  document.addEventListener('pointerup', (event) => {
    const before = pressed;
    pressed = null;
    if (!before || before.isConnected) return;
    const now = document.elementFromPoint(event.clientX, event.clientY)?.closest('button');
    if (now?.outerHTML === before.outerHTML) now.click();
  }, true);
})();
