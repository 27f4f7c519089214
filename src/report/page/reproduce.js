// How to see the run again: the command, the scenario as it ran, and what the run reached.
(() => {
  const { hotfire } = globalThis;
  const { el, heading } = hotfire;

  /** A button that copies a text, and says so; where the browser does not let it, the text is selected. */
  hotfire.copyButton = (text, shownIn) => {
    const said = el('output', { class: 'counted' });
    const copy = async () => {
      try {
        await navigator.clipboard.writeText(text);
        said.textContent = 'Copied.';
      } catch {
        getSelection().selectAllChildren(shownIn);
        said.textContent = 'Selected: copy it with the keyboard.';
      }
    };
    return [el('button', { type: 'button', onclick: copy }, 'Copy'), said];
  };

  const scenario = ({ scenario: text, file, source }) => {
    const shown = el('pre', { tabindex: '0', id: 'scenario' }, text);
    return el(
      'details',
      // What chaos found is nowhere else to be read.
      { class: 'card', open: source?.startsWith('found by chaos') ?? false },
      el('summary', {}, `The scenario as it ran${file ? `: ${file}` : ''}`),
      el('div', { class: 'tools copy' }, hotfire.copyButton(text, shown)),
      shown,
    );
  };

  const reached = (probes) => {
    const list = (isReached) =>
      el(
        'ul',
        { class: 'probes' },
        probes
          .filter((probe) => probe.reached === isReached)
          .map(({ name }) => el('li', {}, hotfire.badge(isReached ? '✓' : '–', isReached ? 'good' : ''), ` ${name}`)),
      );
    const never = probes.filter((probe) => !probe.reached).length;
    return el(
      'details',
      { class: 'card', id: 'probes' },
      el('summary', {}, `Probes: ${probes.length - never} of ${probes.length} reached`),
      el('p', { class: 'help' }, 'Rare states that the code names, so that a run can say whether it was there.'),
      el('h4', {}, 'Reached'),
      probes.length > never ? list(true) : el('p', { class: 'empty' }, 'None.'),
      el('h4', {}, 'Never'),
      never > 0 ? list(false) : el('p', { class: 'empty' }, 'All were reached.'),
    );
  };

  /** What faults met which state, as the run counts it for campaigns; probes stand in their own list. */
  const coverage = (items) => {
    const met = items.filter((item) => !item.startsWith('probe: '));
    if (met.length === 0) return undefined;
    return el(
      'details',
      { class: 'card' },
      el('summary', {}, `Faults and the states that they met: ${hotfire.count(met.length)}`),
      el(
        'ul',
        { class: 'probes' },
        met.map((item) => el('li', {}, item)),
      ),
    );
  };

  hotfire.renderReproduce = (section) => {
    const { data } = hotfire;
    const command = el('code', { id: 'command', tabindex: '0' }, data.command);
    section.append(
      ...heading(
        'See it again',
        'The run is a pure function of scenario, seed, commit and the major version of Node: the same events, in the same order.',
      ),
      el('div', { class: 'card command' }, command, hotfire.copyButton(data.command, command)),
      scenario(data),
      ...(data.probes.length === 0 ? [] : [reached(data.probes)]),
      coverage(data.coverage ?? []) ?? '',
    );
  };
})();
