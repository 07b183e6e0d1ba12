// Drives SillyTavern's page as a person would, in Chromium, and prints as one line of JSON what it saw.
// Its only argument is JSON: {page, backend, model, card, browser, profile, screenshot, line}.
import { createRequire } from 'node:module';

const wanted = JSON.parse(process.argv[2]);
const { chromium } = createRequire(wanted.packages)('playwright-core');
const PATIENCE_MS = 60_000;
const TRIES = 5;
// Random weights end a reply at once now and then, unless only the likeliest words are said.
const TEMPERATURE = '0.1';

const context = await chromium.launchPersistentContext(wanted.profile, {
    executablePath: wanted.browser,
    viewport: { width: 1280, height: 900 },
    args: [
        '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
        '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
    ],
});
try {
    const page = context.pages()[0] ?? await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    const mistakes = [];
    page.on('pageerror', (error) => mistakes.push(String(error)));
    await enter(page);
    // It asks now and then, about a card's tags and its lorebook for one: yes.
    const asking = page.locator('dialog.popup[open]');
    await page.addLocatorHandler(asking, async () => {
        await asking.last().locator('.popup-button-ok').click({ timeout: 5_000 }).catch(() => { /* it went by itself */ });
    });
    await connect(page);
    const greeting = await importCard(page);
    let said = await talk(page);
    // A busy machine may draw a whole reply at once.
    for (let tries = 1; tries < TRIES && new Set(said.lengths).size < 3; tries++) said = await talk(page);
    await page.evaluate(() => window.toastr.clear());
    await page.locator('#toast-container .toast').first().waitFor({ state: 'detached' });
    console.log(JSON.stringify({ greeting, ...said, mistakes }));
} finally {
    await context.pages()[0]?.screenshot({ path: wanted.screenshot });
    await context.close();
}

/** The first visit asks for a name. */
async function enter(page) {
    await page.goto(wanted.page);
    await page.locator('dialog .popup-input:visible').fill('Bram');
    await page.locator('dialog .popup-button-ok:visible').click();
    await page.locator('dialog .popup-input').waitFor({ state: 'detached' });
    await page.locator('#preloader').waitFor({ state: 'detached' });
}

/** API connections: chat completion, custom, an address, a model; and how surely it speaks. */
async function connect(page) {
    await page.locator('#API-status-top').click();
    await page.locator('#main_api').selectOption('openai');
    await page.locator('#chat_completion_source').selectOption('custom');
    await page.locator('#custom_api_url_text').fill(wanted.backend);
    await page.locator('#custom_model_id').fill(wanted.model);
    await page.locator('#api_button_openai').click();
    await page.locator(`#model_custom_select option[value="${wanted.model}"]`).waitFor({ state: 'attached' });
    await page.locator('#API-status-top').click();
    await page.locator('#leftNavDrawerIcon').click();
    await page.locator('#temp_counter_openai').fill(TEMPERATURE);
    await page.locator('#temp_counter_openai').press('Tab');
    await page.locator('#leftNavDrawerIcon').click();
}

/** A card from a file, whose chat opens with its greeting. */
async function importCard(page) {
    await page.locator('#rightNavDrawerIcon').click();
    await page.locator('#character_import_file').setInputFiles(wanted.card);
    const imported = page.locator('.character_select', { hasText: wanted.name });
    await imported.click();
    const first = page.locator('#chat .mes[is_user="false"] .mes_text').first();
    await first.waitFor();
    await page.locator('#rightNavDrawerIcon').click();
    return first.innerText();
}

/** A line, and the reply as it grows. */
async function talk(page) {
    await page.evaluate(() => {
        window.seenLengths = [];
        window.watcher?.disconnect();
        window.watcher = new MutationObserver(() => {
            const last = document.querySelector('#chat .mes.last_mes[is_user="false"] .mes_text');
            const length = last?.textContent.length ?? 0;
            if (length && length !== window.seenLengths.at(-1)) window.seenLengths.push(length);
        });
        window.watcher.observe(document.querySelector('#chat'), { childList: true, subtree: true, characterData: true });
    });
    const before = await page.locator('#chat .mes[is_user="false"]').count();
    await page.locator('#send_textarea').fill(wanted.line);
    await page.locator('#send_but').click();
    await page.waitForFunction(
        (count) => document.querySelectorAll('#chat .mes[is_user="false"]').length > count, before,
    );
    await page.locator('#mes_stop').waitFor({ state: 'hidden' });
    const reply = await page.locator('#chat .mes[is_user="false"] .mes_text').last().innerText();
    return { reply, lengths: await page.evaluate(() => window.seenLengths) };
}
