// The section of the diagram: canvas, controls, search, the panel of the chosen thing.
(() => {
  const { hotfire } = globalThis;
  const { el } = hotfire;
  const { diagram } = hotfire;

  /** On a narrower screen the filters would fill all of it: they are opened on demand. */
  const FILTERS_OPEN_PX = 720;

  const MARK_PX = 7;

  const paletteNow = () => {
    const style = getComputedStyle(document.documentElement);
    const get = (name) => style.getPropertyValue(`--${name}`).trim();
    const names = ['text', 'muted', 'line', 'card', 'accent', 'good', 'warn', 'bad', 'fault', 'info', 'engine'];
    return {
      ...Object.fromEntries(names.map((name) => [name, get(name)])),
      badBg: get('bad-bg'),
      warnBg: get('warn-bg'),
      faultShade: get('fault-shade'),
      guiltShade: get('guilt-shade'),
      span: get('line-5'),
      kinds: Array.from({ length: 8 }, (_, index) => get(`line-${index + 1}`)),
    };
  };

  const button = (text, title, act) => el('button', { type: 'button', title, 'aria-label': title, onclick: act }, text);

  /** What a long run has more than the page shows. */
  const leftOut = ({ leftOut: { messages, spans } }) => {
    const parts = [
      messages > 0 ? `${hotfire.count(messages)} messages` : '',
      spans > 0 ? `${hotfire.count(spans)} spans` : '',
    ].filter((part) => part !== '');
    return parts.length === 0
      ? undefined
      : el(
          'p',
          { class: 'help', id: 'diagram-left-out' },
          `${parts.join(' and ')} of the run are not on this page: of so many, those near to faults, alerts and violations are kept.`,
        );
  };

  hotfire.renderDiagram = (section) => {
    const { data, observed } = hotfire;
    const { lanes, faultRows } = diagram.lanesOf(data, observed);
    const scene = diagram.sceneOf(data, observed);
    scene.markTimes = Float64Array.from(scene.marks, ({ atMs }) => atMs);
    const logTimes = Float64Array.from(observed.logs, ({ atMs }) => atMs);
    const canvas = el('canvas', {
      id: 'diagram-canvas',
      tabindex: '0',
      role: 'application',
      'aria-roledescription': 'space-time diagram',
      'aria-label': `Space-time diagram: ${hotfire.count(observed.messages.count)} messages and ${hotfire.count(observed.operations.rows.length)} operations between ${lanes.map(({ name }) => name).join(', ')}. ${diagram.keysSentence}`,
    });
    const ctx = canvas.getContext('2d');
    const tip = el('div', { class: 'tip', hidden: true, 'aria-hidden': 'true' });
    const band = el('div', { class: 'selecting', hidden: true });
    const box = el('div', { class: 'card diagram' }, canvas, band, tip);
    const detail = el(
      'div',
      { class: 'card detail', id: 'diagram-detail', 'aria-live': 'polite' },
      el('p', { class: 'help' }, 'Choose an arrow, a bar, a band or a mark to see all of it.'),
    );
    const counted = el('output', { class: 'counted', id: 'diagram-counted' });
    const search = diagram.makeSearch({
      find: (text) => diagram.search(text, scene, filter),
      reveal: (item) => reveal(item),
      leave: () => canvas.focus(),
    });

    let palette = paletteNow();
    let place;
    let frame;
    let chosen;
    let order;
    let position = -1;
    let isScheduled = false;

    const draw = () => {
      const ratio = devicePixelRatio;
      if (canvas.width !== Math.round(place.width * ratio) || canvas.height !== Math.round(place.height * ratio)) {
        canvas.width = Math.round(place.width * ratio);
        canvas.height = Math.round(place.height * ratio);
        canvas.style.height = `${place.height}px`;
      }
      ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
      ctx.clearRect(0, 0, place.width, place.height);
      const scale = diagram.scale(hotfire.timeWindow(), place);
      frame = {
        ctx,
        place,
        scale,
        palette,
        observed,
        scene,
        filter,
        faultRows,
        logTimes,
        chosen,
        kindOf: filter.kindOf,
      };
      diagram.drawLanes(frame);
      ctx.save();
      ctx.beginPath();
      // Half a mark may stand out on the left: a run begins with some.
      ctx.rect(place.left - MARK_PX, 0, place.right - place.left + MARK_PX, place.height);
      ctx.clip();
      diagram.drawGuilt(frame);
      diagram.drawAxis(frame);
      diagram.drawStates(frame);
      diagram.drawFaults(frame);
      diagram.drawSpans(frame);
      diagram.drawMessages(frame);
      diagram.drawLogs(frame);
      diagram.drawOperations(frame);
      diagram.drawMarks(frame);
      diagram.drawChosen(frame);
      ctx.restore();
      const shown = frame.messagesShown.length;
      counted.textContent =
        observed.messages.count === 0
          ? ''
          : `${hotfire.count(shown)} messages${frame.mode === 'density' ? ': zoom in for arrows' : ''}`;
    };
    const schedule = () => {
      if (isScheduled) return;
      isScheduled = true;
      requestAnimationFrame(() => {
        isScheduled = false;
        draw();
      });
    };
    const lay = () => {
      place = diagram.place(lanes, filter.isHidden, Math.max(box.clientWidth, 200));
      draw();
    };
    const filter = diagram.makeFilter(lanes, observed, () => {
      order = undefined;
      search.run();
      lay();
    });

    const choose = (item) => {
      chosen = item;
      detail.replaceChildren(
        ...(item
          ? diagram.detailOf(item).filter((one) => one !== undefined)
          : [el('p', { class: 'help' }, 'Nothing is chosen.')]),
      );
      if (item && item.kind !== 'crowd')
        detail.append(el('button', { type: 'button', class: 'to-it', onclick: () => zoomTo(item) }, 'Zoom to it'));
      schedule();
    };

    /** Shows a thing with a quarter of its length on each side, and at least 5 ms. */
    const zoomTo = (item) => {
      const around = Math.max((item.endMs - item.atMs) / 4, 5);
      hotfire.setTimeWindow(item.atMs - around, item.endMs + around);
      choose(item);
    };

    /** Brings a thing into the window: the window keeps its length, unless it is so long that nothing could be told apart. */
    const reveal = (item) => {
      const { fromMs, toMs } = hotfire.timeWindow();
      const length = frame.mode === 'density' ? Math.max(200, (item.endMs - item.atMs) * 3) : toMs - fromMs;
      if (item.atMs < fromMs || item.atMs > toMs || frame.mode === 'density')
        hotfire.setTimeWindow(item.atMs - length / 3, item.atMs + (length * 2) / 3);
      choose(item);
    };

    const step = (direction) => {
      order ??= diagram.makeOrder(observed, scene, filter);
      if (order.times.length === 0) return;
      const { fromMs } = hotfire.timeWindow();
      if (position < 0 || !chosen || order.times[position] !== chosen.atMs)
        position = hotfire.lowerBound(order.times, chosen ? chosen.atMs : fromMs) - (direction > 0 ? 1 : 0);
      position = Math.min(Math.max(position + direction, 0), order.times.length - 1);
      const item = order.item(position);
      const { toMs } = hotfire.timeWindow();
      if (item.atMs < fromMs || item.atMs > toMs)
        hotfire.setTimeWindow(item.atMs - (toMs - fromMs) / 3, item.atMs + ((toMs - fromMs) * 2) / 3);
      choose(item);
    };

    diagram.listen(canvas, {
      frame: () => frame,
      select: (x1, x2) => {
        band.hidden = x1 === undefined;
        if (x1 === undefined) return;
        const from = Math.max(place.left, Math.min(x1, x2));
        const to = Math.min(place.right, Math.max(x1, x2));
        band.style.left = `${from}px`;
        band.style.width = `${to - from}px`;
      },
      choose: (x, y) => choose(diagram.itemAt(frame, x, y)),
      hover: (x, y) => {
        const item = x === undefined ? undefined : diagram.itemAt(frame, x, y);
        tip.hidden = item === undefined;
        canvas.style.cursor = item ? 'pointer' : 'crosshair';
        if (!item) return;
        tip.textContent = diagram.nameOf(item);
        tip.style.left = `${Math.max(4, Math.min(x + 12, place.width - tip.offsetWidth - 4))}px`;
        tip.style.top = `${y + 16}px`;
      },
      focusMs: () => {
        const { fromMs, toMs } = hotfire.timeWindow();
        return chosen && chosen.atMs >= fromMs && chosen.atMs <= toMs ? chosen.atMs : undefined;
      },
      step,
      zoomToChosen: () => chosen && zoomTo(chosen),
      nextHit: search.next,
      focusSearch: () => search.field.focus(),
      clear: () => {
        if (chosen) choose(undefined);
        else canvas.blur();
      },
    });

    const centre = () => {
      const { fromMs, toMs } = hotfire.timeWindow();
      return (fromMs + toMs) / 2;
    };
    section.append(
      ...hotfire.heading(
        'Space and time',
        'A lane for each machine, virtual time to the right. Arrows are messages; one that never arrived ends in a cross. Drag to zoom, Shift and drag to pan, double-click for the whole run; the wheel zooms once the diagram is chosen.',
      ),
      leftOut(data) ?? '',
      el(
        'div',
        { class: 'tools' },
        search.field,
        button('‹', 'Previous hit', () => search.next(-1)),
        button('›', 'Next hit', () => search.next(1)),
        search.said,
        el(
          'span',
          { class: 'zooms' },
          button('−', 'Zoom out', () => diagram.zoomAround(centre(), 2)),
          button('+', 'Zoom in', () => diagram.zoomAround(centre(), 0.5)),
          button('◂', 'Earlier', () => diagram.pan(-0.5)),
          button('▸', 'Later', () => diagram.pan(0.5)),
          button('All', 'Show the whole run', () => hotfire.setTimeWindow()),
        ),
        counted,
      ),
      el(
        'details',
        { class: 'filters', open: innerWidth > FILTERS_OPEN_PX },
        el('summary', {}, 'Lanes and messages that are shown'),
        filter.controls,
      ),
      box,
      detail,
      diagram.legend(),
    );
    lay();
    new ResizeObserver(() => {
      if (place.width !== box.clientWidth && box.clientWidth > 0) lay();
    }).observe(box);
    hotfire.onTimeWindow(schedule);

    /** Draws now; for the measure of a frame. */
    diagram.drawNow = draw;
    /** The middle of the n-th arrow in the picture, in pixels of the canvas. */
    diagram.middleOfMessage = (nth) => {
      const { x1, y1, x2, y2 } = diagram.arrow(frame, frame.messagesShown[nth]);
      return { x: (x1 + x2) / 2, y: (y1 + y2) / 2 };
    };
    /** The middle of the n-th span in a lane of the picture. */
    diagram.middleOfSpan = (node, nth) => {
      const { x, y, width, height } = diagram.spanBox(
        frame,
        place.ofMachine(node),
        observed.spansByNode.get(node),
        nth,
      );
      return { x: x + width / 2, y: y + height / 2 };
    };
    hotfire.redrawDiagram = () => {
      palette = paletteNow();
      draw();
    };
    /** Leads to a stretch of time in the diagram, with a tenth of it around it. */
    hotfire.showStretch = (fromMs, toMs) => {
      const around = Math.max((toMs - fromMs) * 0.1, 5);
      section.scrollIntoView({ block: 'start' });
      canvas.focus({ preventScroll: true });
      hotfire.setTimeWindow(fromMs - around, toMs + around);
    };
    /** Leads to a thing in the diagram. */
    hotfire.showItem = (item) => {
      const full = item.kind === 'fault' ? diagram.faultItem(item.fault) : item;
      section.scrollIntoView({ block: 'start' });
      canvas.focus({ preventScroll: true });
      zoomTo(full);
    };
  };
})();
