// The index: draws the weekly strips, finds and filters accounts, and sorts them by the headings that say so.
for (const table of document.querySelectorAll('table.ix')) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const heads = [...table.querySelectorAll('th[data-strip]')];
  const text = (row, name) => row.querySelector(name)?.textContent.trim() ?? '';

  // -- strips: a letter a week, whose place in the alphabet is its height and status; a blank is no data
  const LETTERS = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.~!*()$,;:@';
  const WEEKS = 26, HEIGHT = 24, LIMIT = 15, COLOURS = ['on', 'risk', 'off'];
  const strip = (name, weeks) => {
    const bars = ['', '', ''];
    let off = 0;
    [...weeks].forEach((letter, n) => {
      const at = LETTERS.indexOf(letter);
      if (at < 0) return;
      bars[at % 3] += `M${2 * (n + WEEKS - weeks.length) + 1} ${HEIGHT}v${-Math.floor(at / 3)}`;
      off += at % 3 === 2;
    });
    const known = bars.some(Boolean);
    const limit = [...weeks.padStart(WEEKS).matchAll(/\S+/g)].map((run) => `M${2 * run.index} ${HEIGHT - LIMIT}h${2 * run[0].length}`).join('');
    const paths = known ? [...bars.map((d, n) => [d, COLOURS[n]]), [limit, 'limit']] : [[`M0 ${HEIGHT}H52`, 'none']];
    const label = known ? `${off} of ${weeks.length} weeks off target` : 'no data';
    return `<svg viewBox="0 0 52 25" width="52" height="25" role="img" aria-label="${name}: ${label}">${
      paths.filter(([d]) => d).map(([d, kind]) => `<path d="${d}" class="h-${kind}"/>`).join('')}</svg>`;
  };
  const safe = (words) => words.replace(/[&<"]/g, (one) => `&#${one.charCodeAt(0)};`);
  const drawRow = (row) => {
    const place = row.querySelector('td.x-strip[colspan]');
    if (!place) return;
    const weeks = (place.dataset.w ?? '').split('|');
    place.outerHTML = heads.map((head, n) =>
      `<td role="cell" class="x-strip"><i>${safe(head.dataset.short)}</i>${strip(safe(head.dataset.strip), weeks[n] ?? '')}</td>`).join('');
  };
  const EACH = 60;
  const drawFrom = (begin) => {
    rows.slice(begin, begin + EACH).forEach(drawRow);
    if (begin + EACH < rows.length) setTimeout(drawFrom, 0, begin + EACH);
    else document.documentElement.dataset.strips = 'drawn';
  };
  addEventListener('beforeprint', () => rows.forEach(drawRow));

  // Cells are laid out as blocks on a phone, where a table would lose what it is.
  for (const row of rows) {
    row.setAttribute('role', 'row');
    for (const cell of row.cells) cell.setAttribute('role', cell.tagName === 'TH' ? 'rowheader' : 'cell');
  }
  drawFrom(0);

  // -- search and filters
  const line = document.querySelector('p.find');
  const chosen = { status: '', market: '', tag: '' };
  const facts = new Map(rows.map((row) => [row, {
    name: text(row, '.x-account').toLowerCase(),
    status: row.className.replace(/^r-/, '').split(' ')[0],
    market: text(row, '.x-account .mk'),
    tags: [...row.querySelectorAll('.x-account .tg i')].map((one) => one.textContent),
  }]));
  const input = line?.querySelector('[data-find="ix"]');
  const buttons = [];
  const show = () => {
    const wanted = input?.value.trim().toLowerCase() ?? '';
    let shown = 0;
    for (const [row, fact] of facts) {
      const fits = fact.name.includes(wanted) && (!chosen.status || fact.status === chosen.status)
        && (!chosen.market || fact.market === chosen.market) && (!chosen.tag || fact.tags.includes(chosen.tag));
      row.hidden = !fits;
      shown += fits;
    }
    for (const button of buttons) button.setAttribute('aria-pressed', String(button.dataset.status === chosen.status));
    const all = !wanted && !Object.values(chosen).some(Boolean);
    if (line) line.querySelector('[role="status"]').textContent = all ? '' : `${shown} of ${rows.length}`;
  };
  for (const item of document.querySelectorAll('.tally li[data-status]')) {
    const button = document.createElement('button');
    button.type = 'button';
    button.dataset.status = item.dataset.status;
    button.append(...item.childNodes);
    item.append(button);
    button.addEventListener('click', () => {
      chosen.status = chosen.status === item.dataset.status ? '' : item.dataset.status;
      show();
    });
    buttons.push(button);
  }
  const addChoice = (key, label, values) => {
    if (!line || values.length < (key === 'tag' ? 1 : 2)) return;
    const select = document.createElement('select');
    for (const value of ['', ...values]) select.append(new Option(value || 'all', value));
    const named = document.createElement('label');
    named.append(`${label} `, select);
    line.insertBefore(named, line.querySelector('[role="status"]'));
    select.addEventListener('change', () => {
      chosen[key] = select.value;
      show();
    });
  };
  const distinct = (of) => [...new Set([...facts.values()].flatMap(of))].sort((a, b) => a.localeCompare(b));
  addChoice('market', 'Marketplace', distinct((fact) => fact.market));
  addChoice('tag', 'Tag', distinct((fact) => fact.tags));
  if (line) {
    line.hidden = false;
    input.addEventListener('input', show);
  }
  show();

  // -- order
  const statuses = [...document.querySelectorAll('.tally [data-status]')].map((one) => one.dataset.status);
  const value = (row, name) => {
    if (name === 'x-status') return statuses.indexOf(facts.get(row).status);
    const cell = row.querySelector(`.${name}`);
    const number = cell.dataset.value ?? (name === 'x-rank' ? cell.textContent : undefined);
    return number === undefined ? cell.textContent.trim().toLowerCase() : Number(number);
  };
  for (const head of table.querySelectorAll('th[data-sort]')) {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const down = head.getAttribute('aria-sort') === 'ascending';
      for (const other of table.querySelectorAll('th[aria-sort]')) other.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const sorted = rows.map((row) => [value(row, head.dataset.sort), row]).sort(([x], [y]) =>
        (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1));
      body.append(...sorted.map(([, row]) => row));
    });
  }
}
