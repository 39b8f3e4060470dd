"""Tables of power spectra as users bring them, CSV and ECSV."""

from pathlib import Path


def write_spectrum_table(spectrum, path):
    """All that read_spectrum reads of a Spectrum; ECSV where the name ends in .ecsv, else CSV."""
    low, high = (None, None) if spectrum.edges is None else spectrum.edges
    columns = {"k": spectrum.k, "power": spectrum.power, "modes": spectrum.modes, "error": spectrum.error}
    columns |= {"k_low": low, "k_high": high}
    columns = {name: values for name, values in columns.items() if values is not None}
    header = {name: getattr(spectrum, name) for name in ("of", "redshift", "m22", "nyquist", "floor", "source")}
    if spectrum.box_size is not None:
        header["box_size"] = " ".join(repr(float(side)) for side in spectrum.box_size)
    header = {name: value for name, value in header.items() if value not in (None, "")}
    header = {name: value if isinstance(value, str) else float(value) for name, value in header.items()}
    header |= {"k": "h/Mpc", "power": spectrum.units}
    if str(path).endswith(".ecsv"):
        import astropy.cosmology.units as with_h
        from astropy import units
        from astropy.table import Table

        table = Table(columns, meta=header)
        power_unit = {"(Mpc/h)^3": "Mpc3 / littleh3", "1": None}[spectrum.units]
        with units.add_enabled_units(with_h):
            for name in columns:
                table[name].unit = {"power": power_unit, "error": power_unit, "modes": None}.get(name, "littleh / Mpc")
        table.write(path, format="ascii.ecsv")
        return
    lines = [f"# {name}: {value}" for name, value in header.items()] + [",".join(columns)]
    lines += [",".join(map(repr, row)) for row in zip(*(values.tolist() for values in columns.values()), strict=True)]
    Path(path).write_text("\n".join([*lines, ""]))
