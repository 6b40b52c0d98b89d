// What happens to runs while one looks elsewhere: said in the tab's title and as a message, also where the page is not
// in sight. `tsAlerts(root, ask)` is called once, with the element for messages and the server's function; see
// studio/ui/alerts.py.
(() => {
const PAUSE = 5000;  // ms between two questions
const SHOWN = 15000;  // ms that a message stays
const MARKS = {finished: '✓', failed: '✗', interrupted: '✗', stopped: '■', nan: '!', stalled: '!'};
const say = (english, values = {}) => (window.tsSay?.(english) ?? english).replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);

function words(run, what) {
  if (what === 'finished') return say('{run} has finished.', {run});
  if (what === 'failed') return say('{run} has failed.', {run});
  if (what === 'interrupted') return say('{run} was interrupted.', {run});
  if (what === 'stopped') return say('{run} has stopped.', {run});
  if (what === 'nan') return say('The loss of {run} is no number any more.', {run});
  return say('{run} has not gone on for a while.', {run});
}

window.tsAlerts = (root, ask) => {
  const title = document.title;
  let before = null;  // what was known of each run at the last look
  let news = '';

  const show = (run, what) => {
    const box = document.createElement('div');
    box.className = `ts-toast ${what}`;
    const text = document.createElement('span');
    text.textContent = words(run, what);
    const open = document.createElement('button');
    Object.assign(open, {type: 'button', className: 'ts-btn', textContent: say('Show')});
    const close = document.createElement('button');
    Object.assign(close, {type: 'button', className: 'ts-close', textContent: '×'});
    close.setAttribute('aria-label', say('Close'));
    box.append(text, open, close);
    root.append(box);
    const gone = setTimeout(() => box.remove(), SHOWN);
    const end = () => { clearTimeout(gone); box.remove(); };
    close.addEventListener('click', end);
    open.addEventListener('click', () => {
      end();
      document.querySelector('button[role=tab][data-tab-id="runs"]')?.click();
      setTimeout(() => document.querySelector(`#runs-list [data-run="${CSS.escape(run)}"]`)?.click(), 300);
    });
    news = `${MARKS[what]} ${run}`;
  };

  const look = async () => {
    if (!root.isConnected) { clearInterval(timer); return; }
    let now;
    try { now = JSON.parse(await ask({})); } catch { return; }  // the server is gone: the page says so itself
    for (const run of before === null ? [] : now) {
      const known = before.get(run.id);
      if (known === undefined) continue;
      if (run.ended && !known.ended) {
        show(run.id, run.state);
        document.dispatchEvent(new CustomEvent('ts-run-ended', {detail: {run: run.id}}));
      }
      for (const trouble of run.troubles) if (!known.troubles.includes(trouble)) show(run.id, trouble);
    }
    before = new Map(now.map((run) => [run.id, run]));
    const going = now.find((run) => run.share !== null);
    const said = news || (going ? `${going.share} % ${going.id}` : '');
    document.title = said ? `${said} · ${title}` : title;
    if (!document.hidden) news = '';
  };
  const timer = setInterval(look, PAUSE);
  document.addEventListener('visibilitychange', () => { if (!document.hidden) { news = ''; look(); } });
  look();
};
})();
