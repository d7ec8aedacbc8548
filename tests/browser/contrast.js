// Text that stands out less than 4.5 to 1 from what is behind it (WCAG 2): [text, colour, background, contrast].
(() => {
  const parse = (colour) => {
    const numbers = colour.match(/[\d.]+/g).map(Number);
    return numbers.length === 4 ? numbers : [...numbers, 1];
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((value, i) => a * value + (1 - a) * below[i]);
  const light = (rgb) => {
    const [r, g, b] = rgb.map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  let seen = 0;
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.push(parse(getComputedStyle(e).backgroundColor));
    const behind = layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
    const colour = over(parse(getComputedStyle(element).color), behind);
    const [dark, bright] = [light(colour), light(behind)].sort((a, b) => a - b);
    const contrast = (bright + 0.05) / (dark + 0.05);
    seen += 1;
    if (contrast < 4.5) found.push([texts.currentNode.data.trim().slice(0, 40), String(colour), String(behind), contrast]);
  }
  return { seen, found };
})()
