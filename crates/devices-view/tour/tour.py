"""Shows the real window around, and takes a picture of each state.

The window is used as a screen reader uses it (AT-SPI): what is pressed is found by its
name. Keys are typed by xdotool. `cargo xtask tour` starts this with all it needs:

    tour.py TOKENCTL DEVICES_VIEW PICTURES
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import warnings

import gi

warnings.simplefilter("ignore", DeprecationWarning)
gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, Gio, GLib  # noqa: E402

PATIENCE = 30
PIN = {"crescendo-4000": "000000", "crescendo-2300": "00000000", "piv": "123456"}


class Failed(Exception):
    """Something that should be on the screen is not."""


def nodes(node):
    """A node and all below it."""
    yield node
    try:
        children = range(node.get_child_count())
    except Exception:  # it is gone meanwhile
        return
    for index in children:
        try:
            child = node.get_child_at_index(index)
        except Exception:
            continue
        if child is not None:
            yield from nodes(child)


class Window:
    """The window of one run of the program."""

    def __init__(self, program, theme, folder, width=900, height=680, scale=None):
        self.folder = folder
        environment = dict(os.environ)
        if scale:
            environment["WINIT_X11_SCALE_FACTOR"] = str(scale)
        command = [program, "--virtual", "--theme", theme, "--lock-after", "30"]
        self.process = subprocess.Popen(command, env=environment)
        self.wait(lambda: self.frame() is not None, "the window")
        self.id = self.xdotool("search", "--sync", "--onlyvisible", "--name", "^Devices$").split()[0]
        self.xdotool("windowsize", "--sync", self.id, str(width), str(height))
        self.xdotool("windowfocus", self.id)

    def xdotool(self, *arguments):
        run = subprocess.run(["xdotool", *arguments], check=True, capture_output=True, text=True)
        return run.stdout

    def frame(self):
        desktop = Atspi.get_desktop(0)
        for index in range(desktop.get_child_count()):
            application = desktop.get_child_at_index(index)
            if application and application.get_process_id() == self.process.pid:
                return application
        return None

    def wait(self, holds, what):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                result = holds()
            except Exception:  # the tree has changed under our hands
                result = None
            if result:
                return result
            if self.process.poll() is not None:
                raise Failed(f"the window is gone; {what} was waited for")
            time.sleep(0.1)
        names = "\n".join(name for name in self.names() if name)
        raise Failed(f"there is:\n{names}\nand {what!r} has not come")

    def names(self):
        frame = self.frame()
        return [node.get_name() for node in nodes(frame)] if frame else []

    def find(self, name, role=None):
        for node in nodes(self.frame()):
            if node.get_name().startswith(name):
                node.clear_cache()  # what can be done with it may have changed
                if role and node.get_role_name() != role:
                    continue
                if role == "push button" and node.get_action_iface() is None:
                    continue  # it can't be pressed now
                return node
        return None

    def sees(self, name):
        return self.wait(lambda: self.find(name), name)

    def press(self, name, role="push button"):
        node = self.wait(lambda: self.find(name, role), name)
        node.get_action_iface().do_action(0)
        time.sleep(0.3)

    def field(self, name):
        node = self.wait(
            lambda: self.find(name, "password text") or self.find(name, "text") or self.find(name, "entry"),
            name,
        )
        node.get_component_iface().grab_focus()
        time.sleep(0.3)

    def type(self, name, text):
        self.field(name)
        self.keys(text)

    def keys(self, text):
        self.xdotool("type", "--delay", "15", text)
        time.sleep(0.3)

    def key(self, *names):
        self.xdotool("key", *names)
        time.sleep(0.3)

    def picture(self, name):
        time.sleep(0.6)
        path = self.folder / f"{name}.png"
        subprocess.run(["import", "-window", self.id, str(path)], check=True)
        print(path.name, flush=True)

    def rests(self, seconds=10):
        """Nothing is done while nothing is to be done."""
        time.sleep(1)
        before = self.ticks()
        time.sleep(seconds)
        used = (self.ticks() - before) / os.sysconf("SC_CLK_TCK")
        print(f"idle: {used * 1000 / seconds:.1f} ms of processor time a second", flush=True)
        if used > 0.005 * seconds:
            raise Failed("the window does something although nobody uses it")

    def ticks(self):
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(stat[11]) + int(stat[12])

    def close(self):
        self.process.terminate()
        self.process.wait()


class Sleep:
    """logind's part: it tells programs that the computer is about to sleep."""

    NAME = "org.freedesktop.login1"

    def __init__(self):
        # The session's bus stands in for the system's.
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = os.environ["DBUS_SESSION_BUS_ADDRESS"]
        self.bus = Gio.bus_get_sync(Gio.BusType.SESSION)
        name = GLib.Variant("(su)", (self.NAME, 4))
        dbus = "org.freedesktop.DBus"
        self.bus.call_sync(
            dbus, "/org/freedesktop/DBus", dbus, "RequestName", name, None, 0, -1, None
        )

    def tell(self):
        begins = GLib.Variant("(b)", (True,))
        manager = f"{self.NAME}.Manager"
        path = "/org/freedesktop/login1"
        self.bus.emit_signal(None, path, manager, "PrepareForSleep", begins)
        self.bus.flush_sync()


def tour(tokenctl, program, pictures, theme, sleep):
    """One round."""
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        os.environ["TOKENCTL_VIRTUAL_DIR"] = str(place / "tokens")
        os.environ["TOKENCTL_RECORD_DIR"] = str(place / "records")
        os.environ["TOKENCTL_CACHE_DIR"] = str(place / "cache")
        os.environ["TOKENCTL_SECRET_STORE"] = "none"
        (place / "tokens").mkdir()

        def create(profile, name, *options):
            command = [tokenctl, "virtual", "create", "--profile", profile, *options, name]
            subprocess.run(command, check=True, capture_output=True)

        def picture(window, name):
            window.picture(f"{theme}-{name}")

        def menu(window, token, item):
            window.press(f"Menu of {token}")
            window.press(item)

        window = Window(program, theme, pictures)
        try:
            window.sees("No software token")
            picture(window, "empty")

            create("crescendo-4000", "office")
            create("crescendo-2300", "badge", "--empty")
            create("piv", "spare")
            for _ in range(3):
                window.sees("ID ")
            window.wait(lambda: sum(name.startswith("ID ") for name in window.names()) == 3, "three tokens")
            picture(window, "devices")
            window.rests()

            window.press("Menu of HID Crescendo C4000")
            picture(window, "menu")
            window.press("Change PIN")
            window.type("Present PIN", PIN["crescendo-4000"])
            window.type("New PIN", "5839")
            picture(window, "change-pin")
            window.keys("14")
            window.type("New PIN again", "583914")
            window.press("Change PIN")
            window.sees("The PIN is changed")
            picture(window, "pin-changed")
            window.press("Close")

            window.press("Locked: authenticate to")
            window.type("PIN", "918273")
            window.press("Authenticate")
            window.sees("The PIN is wrong")
            picture(window, "wrong-pin")
            window.type("PIN", "583914")
            window.press("Authenticate")
            window.sees("Authenticated: lock")
            picture(window, "open")
            sleep.tell()
            window.sees("Locked: authenticate to")

            menu(window, "HID Crescendo C2300", "Unblock PIN")
            window.press("Get challenge")
            window.sees("Challenge")
            picture(window, "challenge")
            window.key("Escape")

            menu(window, "Software PIV card", "Unblock PIN")
            window.sees("PUK")
            picture(window, "unblock")
            window.key("Escape")

            menu(window, "HID Crescendo C4000", "Change PIN")
            window.type("Present PIN", "5839")
            away = place / "away"
            shutil.move(str(place / "tokens" / "office.json"), away)
            window.sees("The token was taken out")
            picture(window, "taken-out")
            shutil.move(away, str(place / "tokens" / "office.json"))
            window.press("Resume")
            window.key("Escape")

            window.press("Content of HID Crescendo C4000")
            window.sees("Certificates")
            picture(window, "content")
            window.press("Export")
            window.sees("Export certificate")
            picture(window, "export")
            window.key("Escape")
            window.press("Back to all tokens")
        finally:
            window.close()

        personalize(program, pictures, theme, create, place)

        for name, options in [
            ("narrow", {"width": 480, "height": 800}),
            ("large", {"width": 1100, "height": 900, "scale": 2}),
        ]:
            window = Window(program, theme, pictures, **options)
            try:
                window.wait(lambda: sum(it.startswith("ID ") for it in window.names()) == 4, "four tokens")
                picture(window, name)
                menu(window, "HID Crescendo C4000", "Change PIN")
                window.sees("New PIN again")
                picture(window, f"{name}-dialog")
            finally:
                window.close()


def personalize(program, pictures, theme, create, place):
    """A token is set up, its PUK looked at, its policies changed, and erased."""
    create("crescendo-4000", "visitor", "--empty")
    window = Window(program, theme, pictures)
    token = "HID Crescendo C4000 in Virtual visitor"
    try:

        def picture(name):
            window.picture(f"{theme}-{name}")

        def menu(item):
            window.press(f"Menu of {token}")
            window.press(item)

        window.wait(lambda: sum(it.startswith("ID ") for it in window.names()) == 4, "four tokens")
        menu("Personalize")
        window.sees("Page 1 of")
        picture("personalize")
        window.press("Next")
        window.sees("Page 2 of")
        picture("personalize-policies")
        window.press("Next")
        window.press("Those it is delivered with", "radio button")
        window.press("Next")
        window.type("New PIN", "583914")
        window.type("New PIN again", "583914")
        picture("personalize-pin")
        window.press("Next")
        window.press("On the token", "radio button")
        picture("personalize-recovery")
        window.press("Next")
        window.sees("Page 6 of")
        picture("personalize-plan")
        window.press("Start")
        for secret in ["admin-key", "puk"]:
            window.press("Show")
            if secret == "admin-key":
                window.field("File")
                window.key("ctrl+a")
                window.keys(str(place / "secrets.txt"))
            window.press("Save to file")
            window.press("I have it in safe keeping", "check box")
            picture(f"hand-over-{secret}")
            window.press("Go on")
        window.sees("The token is set up")
        picture("personalized")
        window.press("Close")

        menu("View PUK")
        window.type("PIN", "583914")
        window.press("View PUK")
        window.press("Show")
        window.press("Copy")
        window.sees("The PUK is in the clipboard")
        picture("view-puk")
        window.press("Close")
        window.press("Clear now")

        menu("Update PIN policies")
        window.sees("Weak PINs")
        picture("policies")
        window.key("Escape")

        menu("Recycle device")
        window.sees("Erased: ")
        picture("recycle")
        window.key("Escape")

        window.press("Preferences")
        window.sees("They hold until")
        picture("preferences")
        window.key("Escape")
    finally:
        window.close()


def main():
    tokenctl, program, pictures = sys.argv[1:]
    pictures = pathlib.Path(pictures)
    pictures.mkdir(parents=True, exist_ok=True)
    Atspi.init()
    sleep = Sleep()
    try:
        for theme in ["light", "dark"]:
            tour(tokenctl, program, pictures, theme, sleep)
    except Failed as failure:
        sys.exit(f"tour: {failure}")


if __name__ == "__main__":
    main()
