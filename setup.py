"""The one step of the build that pyproject.toml cannot say: copy the package files into the package of a wheel."""

from __future__ import annotations

import runpy
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
PACKAGE_FILES = runpy.run_path(str(ROOT / "healthkit" / "files" / "package_files.py"))


class BuildWithPackageFiles(build_py):
    """Builds the package, then copies the package files into it; an editable install reads them from the checkout."""

    def run(self) -> None:
        """Build, then copy."""
        super().run()
        if self.editable_mode:
            return
        for name, target in self._copies():
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            self.copy_file(str(ROOT / name), target)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Return the files that the build makes, with the copies."""
        copies = [] if self.editable_mode else [target for _, target in self._copies()]
        return super().get_outputs(include_bytecode) + copies

    def _copies(self) -> list[tuple[str, str]]:
        folder = Path(self.build_lib) / "healthkit" / PACKAGE_FILES["COPY"]
        return [(name, str(folder / name)) for name in PACKAGE_FILES["FILES"]]


setup(cmdclass={"build_py": BuildWithPackageFiles})
