"""One run of the window, used as a screen reader uses it."""

import os
import pathlib
import subprocess
import time

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi  # noqa: E402

PATIENCE = 30


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

    def __init__(self, program, theme, folder, width=900, height=680, scale=None, options=("--virtual",)):
        self.folder = folder
        self.theme = theme
        environment = dict(os.environ)
        if scale:
            environment["WINIT_X11_SCALE_FACTOR"] = str(scale)
        command = [program, "--theme", theme, "--lock-after", "30", *options]
        self.process = subprocess.Popen(command, env=environment)
        named = lambda: self.frame().get_child_at_index(0).get_name() == "Devices"
        self.wait(named, "the window's name")
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

    def sees_tokens(self, count):
        """As many tokens are there, and read."""
        ids = lambda: sum(name.startswith("ID ") for name in self.names())
        self.wait(lambda: ids() == count, f"{count} tokens")

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

    def says(self, description):
        """Something is described so."""
        descriptions = lambda: (node.get_description() for node in nodes(self.frame()))
        described = lambda: any(it.startswith(description) for it in descriptions())
        self.wait(described, description)

    def press(self, name, role="push button"):
        node = self.wait(lambda: self.find(name, role), name)
        node.get_action_iface().do_action(0)
        time.sleep(0.3)

    def menu(self, token, item):
        self.press(f"Menu of {token}")
        self.press(item)

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
        path = self.folder / f"{self.theme}-{name}.png"
        subprocess.run(["import", "-window", self.id, str(path)], check=True)
        print(path.name, flush=True)

    def is_dark(self):
        command = ["import", "-window", self.id, "-resize", "1x1!", "-format", "%[fx:luminance]", "info:"]
        run = subprocess.run(command, check=True, capture_output=True, text=True)
        return float(run.stdout) < 0.5

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
