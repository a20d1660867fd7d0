"""Certificates for a bed: a small CA, a wrong CA, one certificate per server, one for clients.

Made by keytool, which every Java runtime has; what clients need is exported as PEM. Keys are for
tests: the password is no secret and everything lies in the bed's own folder.
"""

import shutil
import subprocess
import threading
from pathlib import Path

from .errors import BedError
from .fetch import locked

PASSWORD = "dualwrite-bed"
_YEARS = "3650"
_QUICK_JVM = ["-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC", "-J-Xshare:auto"]


class Authority:
    """The CA of one bed; in `folder`: ca.pem and truststore.p12, and of each a wrong- one."""

    def __init__(self, folder: Path, keytool: Path):
        self.folder = folder
        self._keytool_path = keytool
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock"):
            if not (folder / "ca.pem").exists():
                self._make_authorities()

    def server_files(self, address: str) -> dict:
        """keystore, truststore, password and certificate (PEM) of a server at `address`."""
        with locked(self.folder / ".lock"):
            store = self._signed(f"server-{address}", f"san=ip:{address},dns:localhost")
        return {
            "keystore": store,
            "truststore": self.folder / "truststore.p12",
            "password": PASSWORD,
            "certificate": store.with_suffix(".pem"),
        }

    def client_files(self) -> dict:
        """keystore, certificate and key (PEM, not encrypted) for clients of a "mutual" node."""
        with locked(self.folder / ".lock"):
            store = self._signed("client", "san=dns:client")
            key = self._exported_key(store)
        return {"keystore": store, "password": PASSWORD, "key": key,
                "certificate": store.with_suffix(".pem")}

    def server_pem_files(self, address: str) -> dict:
        """certificate (with its chain) and key of a server that is no node, PEM, not encrypted."""
        store = self.server_files(address)["keystore"]
        with locked(self.folder / ".lock"):
            key = self._exported_key(store)
        return {"certificate": self.folder / f"server-{address}-chain.pem", "key": key}

    def _exported_key(self, store: Path) -> Path:
        if not shutil.which("openssl"):
            raise BedError("no openssl, which exports a key: apt-get install openssl")
        key = store.with_name(f"{store.stem}-key.pem")
        self._run(["openssl", "pkcs12", "-in", store, "-nocerts", "-nodes", "-out", key,
                   "-passin", f"pass:{PASSWORD}"])
        return key

    def _make_authorities(self) -> None:
        """Both CAs at once, the right one published last: ca.pem means everything is there."""
        jobs = [threading.Thread(target=self._make_authority, args=("wrong-",))]
        jobs[0].start()
        try:
            self._make_authority("")
        finally:
            jobs[0].join()
        if not (self.folder / "wrong-ca.pem").exists():
            raise BedError(f"keytool made no wrong-ca.pem in {self.folder}")
        (self.folder / "ca.pem.new").rename(self.folder / "ca.pem")

    def _make_authority(self, prefix: str) -> None:
        store = self.folder / f"{prefix}ca.p12"
        pem = self.folder / (f"{prefix}ca.pem" if prefix else "ca.pem.new")
        trust = self.folder / f"{prefix}truststore.p12"
        for stale in (store, trust):
            stale.unlink(missing_ok=True)
        self._keytool(store, "-genkeypair", "-alias", "ca", "-keyalg", "EC", "-groupname",
                      "secp256r1", "-dname", f"CN={prefix}bed CA", "-validity", _YEARS,
                      "-ext", "bc:c=ca:true", "-ext", "ku:c=keyCertSign,cRLSign")
        self._keytool(store, "-exportcert", "-rfc", "-alias", "ca", "-file", pem)
        self._keytool(trust, "-importcert", "-noprompt", "-alias", "ca", "-file", pem)

    def _signed(self, name: str, alternative_names: str) -> Path:
        """A keystore with a key of its own and a certificate signed by the CA."""
        final = self.folder / f"{name}.p12"
        if final.exists():
            return final
        store, request = self.folder / f"{name}.new.p12", self.folder / f"{name}.csr"
        pem, chain = self.folder / f"{name}.pem", self.folder / f"{name}-chain.pem"
        store.unlink(missing_ok=True)
        self._keytool(store, "-genkeypair", "-alias", "key", "-keyalg", "RSA", "-keysize", "2048",
                      "-dname", f"CN={name}", "-validity", _YEARS)
        self._keytool(store, "-certreq", "-alias", "key", "-file", request)
        self._keytool(self.folder / "ca.p12", "-gencert", "-rfc", "-alias", "ca", "-infile",
                      request, "-outfile", pem, "-validity", _YEARS, "-ext", alternative_names,
                      "-ext", "eku=serverAuth,clientAuth")
        chain.write_text(pem.read_text() + (self.folder / "ca.pem").read_text())
        self._keytool(store, "-importcert", "-noprompt", "-trustcacerts", "-alias", "key",
                      "-file", chain)
        return store.rename(final)

    def _keytool(self, store: Path, command: str, *args) -> None:
        self._run([self._keytool_path, *_QUICK_JVM, command, "-keystore", store, "-storetype",
                   "PKCS12", "-storepass", PASSWORD, *args])

    def _run(self, command: list) -> None:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if done.returncode != 0:
            raise BedError(f"{Path(command[0]).name} failed: {done.stdout}{done.stderr}")
