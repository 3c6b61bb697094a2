"""The status page in a real browser: one JSON object on standard input, one on standard output.

In: {"page": URL, "token": TEXT}. Out: what a person would have seen, step by step.
"""

import json
import shutil
import sys

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

PATIENCE = 30


def open_browser():
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome")
    shown = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,900"]
    # It talks to the page and to nobody else.
    alone = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"]
    for argument in shown + alone:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    return webdriver.Chrome(options=options, service=service)


def background(browser, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    return browser.execute_script("return getComputedStyle(document.body).backgroundColor")


def log_in(browser, token):
    field = browser.find_element(By.ID, "token")
    field.send_keys(token, Keys.ENTER)
    WebDriverWait(browser, PATIENCE).until(lambda b: b.find_elements(By.CSS_SELECTOR, "header form, [role=alert]"))


def main():
    asked = json.load(sys.stdin)
    browser = open_browser()
    seen = {}
    try:
        browser.get(asked["page"])
        seen["form_title"] = browser.title
        log_in(browser, "sk_wrong")
        seen["problem"] = browser.find_element(By.CSS_SELECTOR, "[role=alert]").text
        log_in(browser, asked["token"])
        seen["title"] = browser.title
        seen["stations"] = [cell.text for cell in browser.find_elements(By.CSS_SELECTOR, "main > table tbody th")]
        seen["states"] = [cell.text for cell in browser.find_elements(By.CSS_SELECTOR, "main > table td.state")]
        seen["light"] = background(browser, "light")
        seen["dark"] = background(browser, "dark")
        browser.set_window_size(400, 800)
        seen["wider_than_a_phone"] = browser.execute_script("return document.documentElement.scrollWidth > innerWidth")
        browser.find_element(By.CSS_SELECTOR, "header form button").send_keys(Keys.ENTER)
        WebDriverWait(browser, PATIENCE).until(lambda b: b.find_elements(By.ID, "token"))
        seen["after_logout"] = browser.title
        seen["console"] = [entry["message"] for entry in browser.get_log("browser")]
    finally:
        browser.quit()
    json.dump(seen, sys.stdout)


main()
