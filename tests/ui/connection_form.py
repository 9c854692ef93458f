"""The form of a connection, and the list of all connections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

TYPE = "Adobe Experience Platform Flow Service"
#: The first section, which is Airflow's own.
STANDARD = "Standard Fields"
#: Where Airflow puts the fields without a section.
UNSORTED = "Extra Fields"


class ConnectionForm:
    """The open form of a new connection of this provider's type."""

    def __init__(self, page: Page, url: str) -> None:
        self._page = page
        page.goto(f"{url}/connections")
        page.get_by_role("button", name="Add Connection").click()
        self.dialog = page.get_by_role("dialog").filter(has_text="Add Connection")
        self.save_button = self.dialog.get_by_role("button", name="Save")
        self.dialog.get_by_role("combobox").fill(TYPE)
        page.keyboard.press("Enter")
        self.dialog.get_by_text("API gateway").wait_for()
        #: Those of the section that was opened last.
        self.fields = self.dialog.get_by_role("region")

    def sections(self) -> list[str]:
        """The headings of the sections, without that of the JSON editor."""
        return [
            each
            for each in self.dialog.locator("button[aria-expanded]").all_inner_texts()
            if "JSON" not in each
        ]

    def open(self, section: str) -> None:
        """Open a section; Airflow closes the one that was open."""
        heading = self.dialog.get_by_role("button", name=section, exact=True)
        if heading.get_attribute("aria-expanded") != "true":
            heading.click()
        self.fields = self._page.locator(f"[id='{heading.get_attribute('aria-controls')}']")
        self.fields.wait_for()

    def labels(self) -> list[str]:
        """The labels of the fields in the open section, a required field's with an asterisk."""
        return [" ".join(text.split()) for text in self.fields.locator("label").all_inner_texts()]

    def field(self, label: str) -> Locator:
        """The input of a field in the open section."""
        labelled = self.fields.get_by_role("group").filter(has=self._page.locator("label", has_text=label))
        return labelled.locator("input, textarea").first

    def fill(self, connection_id: str, sections: Mapping[str, Mapping[str, str]]) -> None:
        """Type an id, and into fields by section and label."""
        self.dialog.get_by_role("textbox", name="Connection ID").fill(connection_id)
        for section, fields in sections.items():
            self.open(section)
            for label, value in fields.items():
                self.field(label).fill(value)

    def save(self) -> None:
        """Save the connection, which then is in the list."""
        self.save_button.click()
        self.dialog.wait_for(state="hidden")


def press_test(page: Page, connection_id: str) -> str:
    """Press the button on the row of a connection; what is said then."""
    row = page.get_by_role("row").filter(has=page.get_by_role("cell", name=connection_id, exact=True))
    row.get_by_role("button", name="Test Connection").click()
    # Its tooltip would lie over other buttons.
    page.mouse.move(0, 0)
    said = page.locator("[data-scope=toast][data-part=root]").filter(has_text="Test Connection")
    return said.last.inner_text()
