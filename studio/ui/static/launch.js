// The tab Launch: a sweep, of which what is typed is told to the server and runs that were started are drawn together;
// and the webhook. See studio/ui/sweep_card.py and webhook_card.py.
(() => {
const PAUSE = 250;  // ms after the last key

const lines = () => [...document.querySelectorAll('.ts-sweep .line')].map((line) =>
  ['name', 'values'].map((part) => line.querySelector(`[data-sweep="${part}"]`).value));

window.tsSweep = (root, {trigger, server}) => {
  let timer = null, named = null;
  const list = root.querySelector('datalist');
  root.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(() => trigger('input', {lines: lines()}), PAUSE);
  });
  root.addEventListener('focusin', async () => {
    const method = document.querySelector('[data-method][aria-pressed="true"]')?.dataset.method ?? 'sft';
    if (method === named) return;
    named = method;
    const names = JSON.parse(await server.names({method}));
    list.replaceChildren(...names.map((name) => Object.assign(document.createElement('option'), {value: name})));
  });
};

window.tsSweepSaid = (element, {props, trigger, watch}) => {
  element.addEventListener('click', (event) => {
    const button = event.target.closest('[data-start]');
    if (!button) return;
    button.disabled = true;
    setTimeout(() => { button.disabled = false; }, 3000);
    trigger('click', {lines: lines()});
  });
  watch('value', () => {
    const group = props.value?.match(/data-group="([^"]+)"/)?.[1];
    if (!group) return;
    for (const box of document.querySelectorAll('.ts-sweep input')) box.value = '';
    window.tsRunsGroup = group;  // the list may not be there before its tab is
    document.dispatchEvent(new CustomEvent('ts-runs-group'));
  });
};

window.tsWebhook = (root, {server}) => {
  const line = root.parentElement.querySelector('.said');
  const ask = async (what, more = {}) => {
    line.textContent = '';
    root.querySelectorAll('button').forEach((button) => { button.disabled = true; });
    let answer;
    try { answer = await server.webhook({do: what, ...more}); } catch { answer = {}; }
    root.querySelectorAll('button').forEach((button) => { button.disabled = false; });
    if (answer.html && root.innerHTML !== answer.html) root.innerHTML = answer.html;
    line.classList.toggle('wrong', Boolean(answer.error));
    line.textContent = answer.error ?? (answer.said ? window.tsSay?.(answer.said) ?? answer.said : '');
  };
  const keep = () => ask('keep', {url: root.querySelector('[data-webhook-url]').value});
  root.addEventListener('click', ({target}) => {
    const what = target.closest('[data-webhook]')?.dataset.webhook;
    if (what === 'keep') keep();
    if (what === 'remove') ask('keep');
    if (what === 'try') ask('try');
  });
  root.addEventListener('keydown', (event) => { if (event.key === 'Enter' && event.target.matches('[data-webhook-url]')) keep(); });
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((one) => one.isIntersecting)) return;
    observer.disconnect();
    ask('show');
  }).observe(root.parentElement);
};
})();
