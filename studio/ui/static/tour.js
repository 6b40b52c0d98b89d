// The tour: a small panel that opens tabs, points at things and waits for what really happens. Its steps are
// window.tsTourSteps (studio/ui/tour.py); [data-ts-tour] starts it. Nothing is simulated: Start is pressed by the user.
(() => {
  const DONE = 'ts-tour';
  let place = -1, waiting = null, pointed = null;
  const say = (text) => (window.tsSay ? window.tsSay(text) : text);
  const steps = () => window.tsTourSteps ?? [];
  const panel = () => {
    const found = document.querySelector('.ts-tour');
    if (found) return found;
    const made = document.createElement('section');
    made.className = 'ts-tour';
    made.setAttribute('aria-live', 'polite');
    made.setAttribute('aria-label', say('Tour'));
    document.querySelector('.gradio-container').append(made);
    made.addEventListener('click', (event) => {
      const what = event.target.closest('button')?.dataset.tour;
      if (what === 'next') show(place + 1);
      if (what === 'back') show(place - 1);
      if (what === 'close') close();
    });
    made.addEventListener('keydown', (event) => { if (event.key === 'Escape') close(); });
    return made;
  };
  const unpoint = () => { pointed?.classList.remove('ts-toured'); pointed = null; };
  const close = () => {
    clearInterval(waiting);
    unpoint();
    document.querySelector('.ts-tour')?.remove();
    place = -1;
    document.querySelector('[data-ts-tour]')?.focus();
  };
  const button = (what, words, primary) => `<button type="button" class="ts-btn${primary ? ' main' : ''}" data-tour="${what}">${say(words)}</button>`;
  const point = (selector) => {
    unpoint();
    const found = selector && [...document.querySelectorAll(selector)].find((one) => one.offsetParent);
    if (!found) return;
    pointed = found;
    found.classList.add('ts-toured');
    found.scrollIntoView({block: 'center', behavior: 'smooth'});
  };
  const show = (number) => {
    const step = steps()[number];
    clearInterval(waiting);
    unpoint();
    if (!step) { localStorage.setItem(DONE, 'done'); close(); return; }
    place = number;
    if (number === 1) document.querySelector('#recipe-card [data-do="tour"]')?.click();
    if (step.tab) document.querySelector(`button[role=tab][data-tab-id="${step.tab}"]`)?.click();
    const last = number === steps().length - 1;
    const box = panel();
    box.innerHTML = `<small>${number + 1} / ${steps().length}</small><h2>${say(step.title)}</h2><p>${say(step.text)}</p>`
      + `<div class="ts-actions">${button('close', last ? 'Close' : 'End the tour')}<span class="ts-spacer"></span>`
      + (number && !step.wait ? button('back', 'Back') : '')
      + (step.wait ? '' : button('next', last ? 'Done' : number ? 'Next' : 'Begin', true)) + '</div>';
    box.querySelector('[data-tour="next"]')?.focus();
    let tries = 0;
    const begun = document.querySelector('#run-title h1')?.textContent;
    waiting = setInterval(() => {
      tries += 1;
      if (!pointed?.isConnected && (tries < 20 || step.wait)) point(step.at);
      if (!step.wait) { if (tries > 20) clearInterval(waiting); return; }
      const found = [...document.querySelectorAll(step.wait)].find((one) => one.offsetParent);
      // An earlier run on the page is not the one that is waited for.
      const fresh = step.tab === 'runs' || document.querySelector('#run-title h1')?.textContent !== begun;
      if (found && fresh) show(number + 1);
    }, 150);
  };
  document.addEventListener('click', (event) => { if (event.target.closest?.('[data-ts-tour]')) show(0); });
})();
