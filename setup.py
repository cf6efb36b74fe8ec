"""The one step of the build that pyproject.toml cannot say: copy the shipped files into the package of a wheel."""

from __future__ import annotations

import runpy
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
SHIPPED = runpy.run_path(str(ROOT / "healthkit" / "files" / "shipped.py"))


class BuildWithShippedFiles(build_py):
    """Builds the package, then copies the shipped files into it; an editable install reads them from the checkout."""

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
        folder = Path(self.build_lib) / "healthkit" / SHIPPED["COPY"]
        return [(name, str(folder / name)) for name in SHIPPED["FILES"]]


setup(cmdclass={"build_py": BuildWithShippedFiles})
