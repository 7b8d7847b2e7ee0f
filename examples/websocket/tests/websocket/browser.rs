//! The page of the chat in a browser, as two people use it.

use crate::devtools::Browser;
use crate::process::{Server, report_skipped};

#[test]
fn two_pages_talk_and_come_back_after_a_restart() {
    let Some(mut browser) = Browser::start() else {
        return report_skipped("chromium");
    };
    let server = Server::start(&["127.0.0.1:0"]);
    let address = server.address.to_string();
    let url = format!("http://{address}/");
    let ada = browser.open(&url);
    browser.resize(&ada, 900, 600, false);
    browser.sees(&ada, "connected");
    browser.picture(&ada, "1-join.png");
    browser.type_line(&ada, "ada");
    browser.sees(&ada, "Welcome, ada. You are the first.");

    let bob = browser.open(&url);
    browser.resize(&bob, 320, 560, true);
    browser.sees(&bob, "connected");
    browser.type_line(&bob, "ada");
    browser.sees(&bob, "ada is here already");
    browser.type_line(&bob, "bob");
    browser.sees(&bob, "Welcome, bob. Here: ada.");
    browser.sees(&ada, "bob joined");

    let words = "<b>Hello</b> & žluť 😀";
    let long = "A-word-that-is-longer-than-the-page-".repeat(6);
    for (speaker, line) in [
        (&ada, "Hello, bob!"),
        (&bob, words),
        (&bob, &long),
        (&ada, "Well."),
    ] {
        browser.type_line(speaker, line);
        browser.sees(&ada, line);
        browser.sees(&bob, line);
    }
    browser.picture(&ada, "2-wide.png");
    browser.picture(&bob, "3-narrow.png");
    // The page shows the words of a member as text, and scrolls in no direction but down.
    for (page, own, people) in [(&ada, 2, "2 here: ada, bob"), (&bob, 2, "2 here: bob, ada")] {
        let count = format!("document.querySelectorAll('.own').length === {own}");
        assert_eq!(browser.evaluate(page, &count), true);
        let is_narrow = "document.documentElement.scrollWidth <= innerWidth";
        assert_eq!(browser.evaluate(page, is_narrow), true);
        assert_eq!(
            browser.evaluate(
                page,
                "document.querySelectorAll('.said :is(i, script)').length"
            ),
            0
        );
        browser.sees(page, people);
    }
    // A window that becomes lower keeps the last line in view.
    browser.resize(&bob, 320, 300, true);
    let is_at_the_end =
        "new Promise(requestAnimationFrame).then(() => new Promise(requestAnimationFrame))
        .then(() => log.scrollHeight - log.scrollTop - log.clientHeight < 2)";
    assert_eq!(browser.evaluate(&bob, is_at_the_end), true);
    browser.picture(&bob, "4-low.png");

    server.stop();
    browser.sees(&ada, "The connection is closed: the server stops.");
    browser.sees(&bob, "reconnecting");
    browser.picture(&ada, "5-lost.png");
    let _server = Server::start(&[&address]);
    browser.sees(&ada, "2 here");
    browser.sees(&bob, "2 here");
    browser.type_line(&bob, "We are back.");
    browser.sees(&ada, "We are back.");
    browser.picture(&bob, "6-back.png");
}
