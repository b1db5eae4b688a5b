// Somebody who has a keyboard and nothing else.

import assert from 'node:assert/strict';

/** How many stops somebody makes on the way to what they look for. */
const STOPS = 90;

/** A keyboard in front of a page. Each stop that it makes has to be seen. */
export class Keyboard {
  constructor(page) {
    this.page = page;
  }

  /** Presses Tab until the element has the focus; `back`: with Shift. */
  async to(target, { back = false } = {}) {
    await target.waitFor();
    await this.#drawn();
    for (let stops = 0; stops < STOPS; stops += 1) {
      if (await target.evaluate((element) => element === document.activeElement)) return;
      await this.page.keyboard.press(back ? 'Shift+Tab' : 'Tab');
      await this.#looks();
    }
    assert.fail(`no stop at ${target} on ${this.page.url()}`);
  }

  /** Past the navigation, by the link that is the first stop of every page. */
  async skip() {
    await this.#drawn();
    await this.page.keyboard.press('Tab');
    const link = this.page.getByRole('link', { name: 'Skip to the content' });
    assert.ok(await link.evaluate((element) => element === document.activeElement));
    await this.#looks();
    await this.page.keyboard.press('Enter');
  }

  /** Goes to a field and types; what stood in it is replaced. */
  async type(target, text) {
    await this.to(target);
    await this.page.keyboard.press('Control+A');
    await this.page.keyboard.type(text);
  }

  /** Goes to a button or a link and presses it. */
  async press(target, key = 'Enter') {
    await this.to(target);
    await this.page.keyboard.press(key);
  }

  /** Goes to a select, and down to this option. */
  async choose(target, value) {
    await this.to(target);
    await this.page.keyboard.press('Home');
    for (let steps = 0; (await target.inputValue()) !== value; steps += 1) {
      assert.ok(steps < STOPS, `${target} has no ${value}`);
      await this.page.keyboard.press('ArrowDown');
    }
  }

  /**
   * The page has its style sheet and its script. Its elements are there before; nobody sees them,
   * and nothing listens to keys.
   */
  async #drawn() {
    await this.page.waitForLoadState();
  }

  /** What has the focus is in the window, in front, and marked. */
  async #looks() {
    await this.#drawn();
    const problem = await this.page.evaluate(() => {
      const element = document.activeElement;
      if (element === document.body) return undefined;
      const name = element.outerHTML.slice(0, 200);
      const box = element.getBoundingClientRect();
      if (box.width === 0 || box.height === 0) return `${name} has no size`;
      const { innerWidth, innerHeight } = window;
      if (box.bottom <= 0 || box.right <= 0 || box.top >= innerHeight || box.left >= innerWidth) {
        return `${name} is outside of the window`;
      }
      const at = [
        Math.max(0, box.left) / 2 + Math.min(innerWidth, box.right) / 2,
        Math.max(0, box.top) / 2 + Math.min(innerHeight, box.bottom) / 2,
      ];
      const front = document.elementFromPoint(...at);
      if (front && !element.contains(front) && !front.contains(element)) {
        return `${name} is behind ${front.outerHTML.slice(0, 200)}`;
      }
      const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(element);
      const isSeen = outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2;
      return isSeen && !/, 0\)$/.test(outlineColor) ? undefined : `${name} is not marked`;
    });
    assert.equal(problem, undefined, `the focus on ${this.page.url()}`);
  }
}
