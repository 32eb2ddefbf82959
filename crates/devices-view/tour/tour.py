"""Shows the real window around, and takes a picture of each state.

The window is used as a screen reader uses it (AT-SPI): what is pressed is found by its
name. Keys are typed by xdotool. `cargo xtask tour` starts this with all it needs:

    tour.py TOKENCTL DEVICES_VIEW PICTURES [light|dark]...

window.py has the hands, system.py what the window finds around it.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings

import gi

warnings.simplefilter("ignore", DeprecationWarning)
gi.require_version("Atspi", "2.0")
from gi.repository import Atspi  # noqa: E402

from system import Bus, Logind, Pcscd, Portal  # noqa: E402
from window import Failed, Window  # noqa: E402

PIN = {"crescendo-4000": "000000", "crescendo-2300": "00000000", "piv": "123456"}


class Tour:
    """What the parts of the tour have in common."""

    def __init__(self, tokenctl, program, pictures):
        self.tokenctl = tokenctl
        self.program = program
        self.pictures = pictures
        bus = Bus()
        self.logind = Logind(bus)
        self.portal = Portal(bus)
        bus.serve()

    @contextlib.contextmanager
    def place(self):
        """A computer of its own: tokens, what is remembered of them, PC/SC."""
        with tempfile.TemporaryDirectory() as place:
            place = pathlib.Path(place)
            os.environ["TOKENCTL_VIRTUAL_DIR"] = str(place / "tokens")
            os.environ["TOKENCTL_RECORD_DIR"] = str(place / "records")
            os.environ["TOKENCTL_CACHE_DIR"] = str(place / "cache")
            os.environ["TOKENCTL_SECRET_STORE"] = "none"
            (place / "tokens").mkdir()
            yield place

    @contextlib.contextmanager
    def window(self, theme, **options):
        window = Window(self.program, theme, self.pictures, **options)
        try:
            yield window
        finally:
            window.close()

    def ran(self, *arguments, input=(), before=()):
        """tokenctl, with lines for what it reads from its standard input."""
        command = [*before, self.tokenctl, *arguments]
        text = "".join(f"{line}\n" for line in input)
        return subprocess.run(command, input=text, capture_output=True, text=True)

    def run(self, *arguments, **options):
        """The same, where it has to succeed."""
        ran = self.ran(*arguments, **options)
        if ran.returncode != 0:
            raise Failed(f"{ran.args} ended with {ran.returncode}:\n{ran.stdout}{ran.stderr}")
        return ran.stdout

    def create(self, profile, name, *options, days_ago=0):
        """A software token; certificates are good for three years from the day it is made."""
        before = ["faketime", "-f", f"-{days_ago}d"] if days_ago else []
        self.run("virtual", "create", "--profile", profile, *options, name, before=before)

    def all(self, themes):
        for theme in themes:
            with self.place() as place:
                self.everyday(theme, place)
                self.personalize(theme, place)
                self.sizes(theme)
            with self.place() as place:
                self.attention(theme, place)
            with self.place() as place:
                self.pairing_code(theme, place)
            with self.place() as place:
                self.readers(theme, place)
        with self.place():
            self.appearance()

    def everyday(self, theme, place):
        """What people do with a token they have."""
        with self.window(theme) as window:
            window.sees("No software token")
            window.picture("empty")

            self.create("crescendo-4000", "office")
            self.create("crescendo-2300", "badge", "--empty")
            self.create("piv", "spare")
            window.sees_tokens(3)
            window.picture("devices")
            window.rests()

            window.press("Menu of HID Crescendo C4000")
            window.picture("menu")
            window.press("Change PIN")
            window.type("Present PIN", PIN["crescendo-4000"])
            window.type("New PIN", "5839")
            window.picture("change-pin")
            window.keys("14")
            window.type("New PIN again", "583914")
            window.press("Change PIN")
            window.sees("The PIN is changed")
            window.picture("pin-changed")
            window.press("Close")

            window.press("Locked: authenticate to")
            window.type("PIN", "918273")
            window.press("Authenticate")
            window.sees("The PIN is wrong")
            window.picture("wrong-pin")
            self.authenticate(window, "583914")
            window.picture("open")
            self.logind.sleep()
            window.sees("Locked: authenticate to")
            self.screen_lock(window)

            window.menu("HID Crescendo C2300", "Unblock PIN…")
            window.press("Get challenge")
            window.sees("Challenge")
            window.picture("challenge")
            window.key("Escape")

            window.menu("Software PIV card", "Unblock PIN…")
            window.sees("PUK")
            window.picture("unblock")
            window.key("Escape")

            window.menu("HID Crescendo C4000", "Change PIN")
            window.type("Present PIN", "5839")
            away = place / "away"
            shutil.move(str(place / "tokens" / "office.json"), away)
            window.sees("The token was taken out")
            window.picture("taken-out")
            shutil.move(away, str(place / "tokens" / "office.json"))
            window.press("Resume")
            window.key("Escape")

            window.press("Content of HID Crescendo C4000")
            window.sees("Certificates")
            window.picture("content")
            window.press("Export")
            window.sees("Export certificate")
            window.picture("export")
            window.key("Escape")
            window.press("Back to all tokens")

    def authenticate(self, window, pin):
        """In the dialog that is open."""
        window.type("PIN", pin)
        window.press("Authenticate")
        window.sees("Authenticated: lock")

    def screen_lock(self, window):
        """The lock of our screen locks the token, and that of another's does not."""
        window.press("Locked: authenticate to")
        self.authenticate(window, "583914")
        self.logind.lock_screen(self.logind.ANOTHER)
        time.sleep(1)
        window.sees("Authenticated: lock")
        self.logind.lock_screen(self.logind.OURS)
        window.sees("Locked: authenticate to")

    def personalize(self, theme, place):
        """A token is set up, its PUK looked at, its policies changed, and erased."""
        self.create("crescendo-4000", "visitor", "--empty")
        token = "HID Crescendo C4000 in Virtual visitor"
        with self.window(theme) as window:
            window.sees_tokens(4)
            window.menu(token, "Personalize")
            window.sees("Page 1 of")
            window.picture("personalize")
            window.press("Next")
            window.sees("Page 2 of")
            window.picture("personalize-policies")
            window.press("Next")
            window.press("Those it is delivered with", "radio button")
            window.press("Next")
            window.type("New PIN", "583914")
            window.type("New PIN again", "583914")
            window.picture("personalize-pin")
            window.press("Next")
            window.press("On the token", "radio button")
            window.picture("personalize-recovery")
            window.press("Next")
            window.sees("Page 6 of")
            window.picture("personalize-plan")
            window.press("Start")
            for secret in ["admin-key", "puk"]:
                window.press("Show")
                if secret == "admin-key":
                    window.field("File")
                    window.key("ctrl+a")
                    window.keys(str(place / "secrets.txt"))
                window.press("Save to file")
                window.press("I have it in safe keeping", "check box")
                window.picture(f"hand-over-{secret}")
                window.press("Go on")
            window.sees("The token is set up")
            window.picture("personalized")
            window.press("Close")

            window.menu(token, "View PUK")
            window.type("PIN", "583914")
            window.press("View PUK")
            window.press("Show")
            window.press("Copy")
            window.sees("The PUK is in the clipboard")
            window.picture("view-puk")
            window.press("Close")
            window.press("Clear now")

            window.menu(token, "Update PIN policies")
            window.sees("Weak PINs")
            window.picture("policies")
            window.key("Escape")

            window.menu(token, "Recycle device")
            window.sees("Erased: ")
            window.picture("recycle")
            window.key("Escape")

            window.press("Preferences")
            window.sees("They hold until")
            window.picture("preferences")
            window.key("Escape")

    def sizes(self, theme):
        """A window that is small, and one on a screen of fine pixels."""
        for name, options in [
            ("narrow", {"width": 480, "height": 800}),
            ("large", {"width": 1100, "height": 900, "scale": 2}),
        ]:
            with self.window(theme, **options) as window:
                window.sees_tokens(4)
                window.picture(name)
                window.menu("HID Crescendo C4000", "Change PIN")
                window.sees("New PIN again")
                window.picture(f"{name}-dialog")

    def attention(self, theme, place):
        """Tokens that the person should see to."""
        self.create("crescendo-4000", "blocked")
        self.block("blocked")
        self.create("crescendo-4000", "new", "--empty")
        command = ["--virtual", "personalize", "--reader", "new", "--delivery-pin"]
        policy = ["--force-change", "--challenge", "static"]
        taken = ["--save", str(place / "secrets.txt"), "--saved-is-taken", "--new-pin-fd", "0"]
        self.run(*command, *policy, *taken, input=["583914"])
        self.create("crescendo-2300", "old", days_ago=3 * 365 - 10)
        self.create("piv", "older", days_ago=3 * 365 + 10)
        with self.window(theme) as window:
            window.sees_tokens(4)
            window.picture("attention")

            window.menu("HID Crescendo C4000 in Virtual new", "Unblock PIN…")
            window.press("With the unlock code", "radio button")
            window.sees("Unlock code")
            window.picture("unlock-code")
            window.key("Escape")
            window.press("Change PIN now")
            window.sees("New PIN again")
            window.picture("forced-change")
            window.key("Escape")

            blocked = "HID Crescendo C4000 in Virtual blocked"
            window.press(f"Menu of {blocked}")
            window.says("Not possible: the PIN is blocked")
            window.picture("blocked-menu")
            window.press("Unblock PIN…")
            window.sees("PIN: blocked")
            window.picture("blocked-unblock")
            window.key("Escape")

            window.press("Content of Software PIV card")
            window.sees("Certificates")
            window.picture("expired")
            window.press("Back to all tokens")

    def block(self, name):
        """Wrong PINs, until there is no try left."""
        command = ["pin", "verify", "--pin-fd", "0", "--last-try", "--json"]
        while True:
            ran = self.ran("--virtual", *command, "--reader", name, input=["918273"])
            if ran.returncode == 11:
                return
            if ran.returncode != 10:
                raise Failed(f"{command} ended with {ran.returncode}: {ran.stderr}")

    def pairing_code(self, theme, place):
        """A code that is looked at on a contact reader, and typed for a contactless one."""
        self.create("piv", "badge", "--pairing-code")
        anchor = str(place / "badge.pem")
        self.run("virtual", "authority", "badge", "--output", anchor)
        show = ["--virtual", "pairing-code", "show", "--show", "--pin-fd", "0"]
        code = self.run(*show, input=[PIN["piv"]]).strip()
        token = "Software PIV card"
        options = ["--virtual", "--trust-anchor", anchor]
        with self.window(theme, options=options) as window:
            window.menu(token, "Retrieve pairing code")
            window.type("PIN", PIN["piv"])
            window.press("Retrieve")
            window.says("hidden")
            window.press("Show")
            window.says(code)
            window.picture("pairing-code")
            window.press("Close")

            self.run("virtual", "move", "badge", "--to", "contactless")
            window.sees("Enter pairing code")
            window.picture("contactless")
            window.press("Enter pairing code")
            window.type("Pairing code", code)
            window.picture("enter-pairing-code")
            window.press("Use this code")
            window.sees("The token has taken the pairing code")
            window.picture("pairing-code-taken")
            window.press("Close")
            window.picture("contactless-open")

    def readers(self, theme, place):
        """What there is before there is a token, and a token in a reader of PC/SC's."""
        pcscd = Pcscd(place)
        self.create("piv", "badge")
        try:
            with self.window(theme, options=[]) as window:
                window.sees("The smart card service is not running")
                window.picture("no-service")
                pcscd.start(has_reader=False)
                window.sees("No reader")
                window.picture("no-reader")
                pcscd.stop()
                window.sees("The smart card service is not running")
                pcscd.start(has_reader=True)
                window.sees("No token")
                window.picture("no-token")
                with self.served("badge", pcscd):
                    window.sees_tokens(1)
                    window.picture("in-reader")
                window.sees("No token")
        finally:
            pcscd.stop()

    @contextlib.contextmanager
    def served(self, name, pcscd):
        """A software token lies in the virtual reader."""
        address = f"127.0.0.1:{pcscd.PORT}"
        command = [self.tokenctl, "virtual", "serve", name, "--address", address]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()

    def appearance(self):
        """The desktop becomes dark, and light again, while the window is there."""
        self.create("crescendo-4000", "office")
        with self.window("system") as window:
            window.sees_tokens(1)
            window.wait(lambda: not window.is_dark(), "the light window")
            window.picture("light")
            self.portal.become("dark")
            window.wait(window.is_dark, "the dark window")
            window.picture("dark")
            self.portal.become("light")
            window.wait(lambda: not window.is_dark(), "the light window again")


def main():
    tokenctl, program, pictures, *themes = sys.argv[1:]
    pictures = pathlib.Path(pictures)
    pictures.mkdir(parents=True, exist_ok=True)
    Atspi.init()
    try:
        Tour(tokenctl, program, pictures).all(themes or ["light", "dark"])
    except Failed as failure:
        sys.exit(f"tour: {failure}")


if __name__ == "__main__":
    main()
