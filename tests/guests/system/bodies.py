"""Bodies of scale sets that tests ask for: small ones, of micro guests."""

from __future__ import annotations

import base64
from typing import Any

Json = dict[str, Any]

# A service of its own, as an administrator would set one up: it survives a restart of the guest. ``/run`` does
# not, so a service that was stopped by hand is back after a restart.
SERVICE = """#!/bin/sh
mkdir -p /srv/www
cat /etc/hostname >/srv/www/index.html
cat >/usr/bin/serve <<'END'
#!/bin/sh
[ ! -e /run/service-stopped ] || { sleep 1; exit; }
exec /usr/sbin/httpd -f -p 8080 -h /srv/www
END
chmod 755 /usr/bin/serve
echo '::respawn:/usr/bin/serve' >>/etc/inittab
kill -HUP 1
echo the service is set up
"""
STOP_SERVICE = (
    "touch /run/service-stopped; "
    "for pid in $(pidof httpd); do if grep -q 8080 /proc/$pid/cmdline; then kill $pid; fi; done"
)
SERVICE_PORT = 8080


def micro_set(
    capacity: int,
    *extensions: Json,
    budget: str | None = None,
    os_profile: Json | None = None,
    repair: Json | None = None,
    image: Json | None = None,
    size: str = "Lab_Micro",
    **properties: Any,
) -> Json:
    """A whole body. ``repair`` is the repairs policy without ``enabled``."""
    extension_profile: Json = {"extensions": list(extensions)}
    if budget:
        extension_profile["extensionsTimeBudget"] = budget
    if repair is not None:
        properties["automaticRepairsPolicy"] = {"enabled": True, **repair}
    return {
        "location": "local",
        "sku": {"name": size, "capacity": capacity},
        "properties": {
            **properties,
            "virtualMachineProfile": {
                "osProfile": os_profile or {},
                "storageProfile": {"imageReference": image or image_named("micro")},
                "extensionProfile": extension_profile,
            },
        },
    }


def image_named(name: str) -> Json:
    return {"id": f"/providers/Vmss.Local/images/{name}"}


def script(text: str | None = None, *, name: str = "setup", protected: Json | None = None, **settings: Any) -> Json:
    """The CustomScript extension: ``text`` is the script, or see ``settings`` and ``protected``."""
    if text is not None:
        settings["script"] = base64.b64encode(text.encode()).decode()
    properties: Json = {
        "publisher": "Microsoft.Azure.Extensions",
        "type": "CustomScript",
        "typeHandlerVersion": "2.1",
        "settings": settings,
    }
    if protected is not None:
        properties["protectedSettings"] = protected
    return {"name": name, "properties": properties}


def health(version: str = "1.0", **settings: Any) -> Json:
    """The Application Health extension, asking every 5 s (its shortest interval)."""
    return {
        "name": "health",
        "properties": {
            "publisher": "Microsoft.ManagedServices",
            "type": "ApplicationHealthLinux",
            "typeHandlerVersion": version,
            "settings": {"intervalInSeconds": 5, **settings},
        },
    }


SERVICE_HEALTH = health(protocol="http", port=SERVICE_PORT, requestPath="/index.html")


def admin(public_key: str, user: str = "azureuser", custom_data: str | None = None) -> Json:
    """An osProfile with a user who logs in by key."""
    profile: Json = {
        "adminUsername": user,
        "linuxConfiguration": {"ssh": {"publicKeys": [{"keyData": public_key}]}},
    }
    if custom_data is not None:
        profile["customData"] = base64.b64encode(custom_data.encode()).decode()
    return profile
