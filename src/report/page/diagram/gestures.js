// Mouse, touch and keys on the picture, as zooms and pans of the page's time window.
(() => {
  const { hotfire } = globalThis;
  const { diagram } = hotfire;

  const WHEEL_ZOOM = 0.0022;
  const KEY_ZOOM = 1.6;
  const CLICK_PX = 4;

  /** Makes the window `factor` times as long around a moment that keeps its place. */
  diagram.zoomAround = (ms, factor) => {
    const { fromMs, toMs } = hotfire.timeWindow();
    const length = Math.min((toMs - fromMs) * factor, hotfire.runMs());
    const part = (ms - fromMs) / (toMs - fromMs);
    hotfire.setTimeWindow(ms - part * length, ms + (1 - part) * length);
  };

  /** Moves the window by a part of its length. */
  diagram.pan = (part) => {
    const { fromMs, toMs } = hotfire.timeWindow();
    const shift = (toMs - fromMs) * part;
    hotfire.setTimeWindow(fromMs + shift, toMs + shift);
  };

  const middle = () => (hotfire.timeWindow().fromMs + hotfire.timeWindow().toMs) / 2;

  /** A pinch zooms around the middle of the two fingers; one finger pans. */
  const touchGesture = (points, before, scale, place) => {
    const xs = [...points.values()].map(({ x }) => x);
    if (before.length === 1 && xs.length === 1) {
      diagram.pan((before[0] - xs[0]) / (place.right - place.left));
      return;
    }
    if (before.length !== 2 || xs.length !== 2) return;
    const apart = Math.max(12, Math.abs(xs[0] - xs[1]));
    const apartBefore = Math.max(12, Math.abs(before[0] - before[1]));
    diagram.zoomAround(scale.ms((xs[0] + xs[1]) / 2), apartBefore / apart);
  };

  /**
   * Listens on the canvas. `view.frame()` is the picture as it stands; `view.select(x1, x2)` shows a stretch that is being
   * drawn, `view.choose(x, y)` is a click, `view.hover(x, y)` the pointer over the picture, without arguments its leave.
   */
  diagram.listen = (canvas, view) => {
    const points = new Map();
    let drag;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };

    canvas.addEventListener(
      'wheel',
      (event) => {
        const isZoom = event.ctrlKey || event.metaKey || (document.activeElement === canvas && !event.shiftKey);
        const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
        const isPan = !event.ctrlKey && Math.abs(sideways) > (event.shiftKey ? 0 : Math.abs(event.deltaY));
        if (!isZoom && !isPan) return;
        // There is nothing further out: the wheel is the page's again.
        if (!isPan && !event.ctrlKey && event.deltaY > 0 && hotfire.isWholeRun()) return;
        event.preventDefault();
        const { place, scale } = view.frame();
        if (isPan) diagram.pan(sideways / (place.right - place.left));
        else diagram.zoomAround(scale.ms(at(event).x), Math.exp(event.deltaY * (event.ctrlKey ? 4 : 1) * WHEEL_ZOOM));
      },
      { passive: false },
    );

    canvas.addEventListener('pointerdown', (event) => {
      if (event.button > 1) return;
      points.set(event.pointerId, at(event));
      canvas.setPointerCapture(event.pointerId);
      drag = {
        ...at(event),
        isPan: event.shiftKey || event.button === 1,
        isTouch: event.pointerType === 'touch',
        moved: false,
      };
      canvas.focus({ preventScroll: true });
      event.preventDefault();
    });

    canvas.addEventListener('pointermove', (event) => {
      const { x, y } = at(event);
      if (!points.has(event.pointerId)) {
        view.hover(x, y);
        return;
      }
      const before = [...points.values()].map((point) => point.x);
      const last = points.get(event.pointerId);
      points.set(event.pointerId, { x, y });
      if (Math.abs(x - drag.x) > CLICK_PX || points.size > 1) drag.moved = true;
      if (!drag.moved) return;
      const { place, scale } = view.frame();
      if (drag.isTouch) touchGesture(points, before, scale, place);
      else if (drag.isPan) diagram.pan((last.x - x) / (place.right - place.left));
      else view.select(drag.x, x);
    });

    const end = (event) => {
      if (!points.delete(event.pointerId) || points.size > 0) return;
      const { x, y } = at(event);
      view.select();
      // A finger that scrolls the page ends in a cancel: it chose nothing.
      if (event.type !== 'pointerup') return;
      if (!drag.moved) view.choose(x, y);
      else if (!drag.isTouch && !drag.isPan) {
        const { scale } = view.frame();
        hotfire.setTimeWindow(scale.ms(Math.min(x, drag.x)), scale.ms(Math.max(x, drag.x)));
      }
    };
    canvas.addEventListener('pointerup', end);
    canvas.addEventListener('pointercancel', end);
    canvas.addEventListener('pointerleave', () => view.hover());
    canvas.addEventListener('dblclick', () => hotfire.setTimeWindow());

    const keys = {
      '+': () => diagram.zoomAround(view.focusMs() ?? middle(), 1 / KEY_ZOOM),
      '-': () => diagram.zoomAround(view.focusMs() ?? middle(), KEY_ZOOM),
      0: () => hotfire.setTimeWindow(),
      ArrowLeft: () => diagram.pan(-0.15),
      ArrowRight: () => diagram.pan(0.15),
      PageUp: () => diagram.pan(-0.9),
      PageDown: () => diagram.pan(0.9),
      Home: () => diagram.pan(-hotfire.runMs()),
      End: () => diagram.pan(hotfire.runMs()),
      ArrowUp: () => view.step(-1),
      ArrowDown: () => view.step(1),
      Enter: () => view.zoomToChosen(),
      n: () => view.nextHit(1),
      N: () => view.nextHit(-1),
      '/': () => view.focusSearch(),
      Escape: () => view.clear(),
    };
    keys['='] = keys['+'];
    canvas.addEventListener('keydown', (event) => {
      const act = keys[event.key];
      if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      act();
    });
  };
})();
