"""What stands in for the system around the window: logind, the desktop's portal, pcscd."""

import os
import pathlib
import socket
import subprocess
import threading

from gi.repository import Gio, GLib

DBUS = "org.freedesktop.DBus"


class Bus:
    """The session's bus, which stands in for the system's, too, with services on it."""

    def __init__(self):
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = os.environ["DBUS_SESSION_BUS_ADDRESS"]
        self.bus = Gio.bus_get_sync(Gio.BusType.SESSION)
        self.context = GLib.MainContext()

    def own(self, name):
        arguments = GLib.Variant("(su)", (name, 4))
        self.bus.call_sync(
            DBUS, "/org/freedesktop/DBus", DBUS, "RequestName", arguments, None, 0, -1, None
        )

    def answer(self, path, interface, methods):
        """Answers `methods`: what each is given and gives (as in D-Bus), and its function."""
        described = "".join(
            f'<method name="{name}">'
            + "".join(f'<arg type="{kind}" direction="in"/>' for kind in takes)
            + f'<arg type="{gives}" direction="out"/></method>'
            for name, (takes, gives, _) in methods.items()
        )
        node = f'<node><interface name="{interface}">{described}</interface></node>'
        info = Gio.DBusNodeInfo.new_for_xml(node).interfaces[0]

        def called(connection, sender, path, interface, method, arguments, invocation):
            _, gives, function = methods[method]
            result = function(*arguments.unpack())
            if result is None:
                invocation.return_dbus_error(f"{interface}.Error.NotFound", "there is none")
            else:
                invocation.return_value(GLib.Variant(f"({gives})", (result,)))

        # It is called in the context that is the thread's now.
        self.context.push_thread_default()
        try:
            self.bus.register_object(path, info, called, None, None)
        finally:
            self.context.pop_thread_default()

    def serve(self):
        """Begins to answer, on a thread of its own: this one waits for the window."""
        loop = GLib.MainLoop(self.context)
        threading.Thread(target=loop.run, daemon=True).start()

    def emit(self, path, interface, signal, body):
        self.bus.emit_signal(None, path, interface, signal, body)
        self.bus.flush_sync()


class Logind:
    """It tells programs that the computer is about to sleep, and that a screen is locked."""

    NAME = "org.freedesktop.login1"
    PATH = "/org/freedesktop/login1"
    OURS = f"{PATH}/session/_32"
    ANOTHER = f"{PATH}/session/c1"

    def __init__(self, bus):
        self.bus = bus
        os.environ.pop("XDG_SESSION_ID", None)
        sessions = {"auto": self.OURS, "2": self.OURS, "c1": self.ANOTHER}
        methods = {"GetSession": (["s"], "o", sessions.get)}
        bus.answer(self.PATH, f"{self.NAME}.Manager", methods)
        bus.own(self.NAME)

    def sleep(self):
        begins = GLib.Variant("(b)", (True,))
        self.bus.emit(self.PATH, f"{self.NAME}.Manager", "PrepareForSleep", begins)

    def lock_screen(self, session):
        """As desktops do that lock the screen themselves."""
        hint = {"LockedHint": GLib.Variant("b", True)}
        changed = GLib.Variant("(sa{sv}as)", (f"{self.NAME}.Session", hint, []))
        self.bus.emit(session, f"{DBUS}.Properties", "PropertiesChanged", changed)


class Portal:
    """The desktop tells whether it is light or dark."""

    PATH = "/org/freedesktop/portal/desktop"
    SETTINGS = "org.freedesktop.portal.Settings"
    WHAT = ("org.freedesktop.appearance", "color-scheme")
    SCHEMES = {"dark": 1, "light": 2}

    def __init__(self, bus):
        self.bus = bus
        self.scheme = "light"
        methods = {"ReadOne": (["s", "s"], "v", self.read)}
        bus.answer(self.PATH, self.SETTINGS, methods)
        bus.own("org.freedesktop.portal.Desktop")

    def value(self):
        return GLib.Variant("u", self.SCHEMES[self.scheme])

    def read(self, *what):
        return self.value() if what == self.WHAT else None

    def become(self, scheme):
        self.scheme = scheme
        changed = GLib.Variant("(ssv)", (*self.WHAT, self.value()))
        self.bus.emit(self.PATH, self.SETTINGS, "SettingChanged", changed)


class Pcscd:
    """A pcscd of our own, on a socket of its own; e2e/src/pcscd.rs says how and why."""

    DRIVER = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so"
    # Beside those of the end-to-end tests.
    PORT = 31973
    AS_SYSTEMD = (
        "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; "
        "exec perl -e '$^F = 3; open(S, \"+<&=\", 3) and listen(S, 128) or die $!; exec @ARGV' \"$@\""
    )

    def __init__(self, place):
        self.place = pathlib.Path(place)
        self.socket = self.place / "pcscd.comm"
        os.environ["PCSCLITE_CSOCK_NAME"] = str(self.socket)
        self.process = None

    def start(self, has_reader):
        readers = self.place / ("one-reader" if has_reader else "no-reader")
        usb = self.place / "no-usb-drivers"
        for folder in [readers, usb]:
            folder.mkdir(exist_ok=True)
        if has_reader:
            port = f"0x{self.PORT:04X}"
            (readers / "vpcd").write_text(
                f'FRIENDLYNAME "Virtual PCD"\nDEVICENAME /dev/null:{port}\n'
                f"LIBPATH {self.DRIVER}\nCHANNELID {port}\n"
            )
        program = "/usr/sbin/pcscd"
        command = [program, "--foreground", "--config", str(readers)]
        usage = subprocess.run([program, "--help"], capture_output=True, text=True).stdout
        if "--disable-polkit" in usage:
            command.append("--disable-polkit")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.socket))
        environment = dict(os.environ, PCSCLITE_HP_DROPDIR=str(usb))
        self.process = subprocess.Popen(
            ["sh", "-c", self.AS_SYSTEMD, "sh", *command],
            stdin=listener,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        listener.close()

    def stop(self):
        self.socket.unlink(missing_ok=True)
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None
