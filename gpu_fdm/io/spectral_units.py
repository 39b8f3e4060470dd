"""Units of wavenumbers and power spectra, as tables spell them."""

COMOVING = "(Mpc/h)^3"
NORMALISED = "1"  # over the mass squared, or the line mass squared in the plane across a filament
PER_MPC, MPC_CUBED = "1/Mpc", "Mpc^3"
# how units are written, without blanks; ECSV has little h as littleh, or as h, which astropy takes for hours
UNITS_OF_K = {
    **dict.fromkeys(("h/Mpc", "h/cMpc", "littleh/Mpc", "hMpc^-1", "hMpc-1", "h*Mpc^-1"), "h/Mpc"),
    **dict.fromkeys((PER_MPC, "1/cMpc", "Mpc^-1", "Mpc-1"), PER_MPC),
}
UNITS_OF_POWER = {
    **dict.fromkeys((COMOVING, "(cMpc/h)^3", "Mpc^3/h^3", "h^-3Mpc^3", "Mpc3/h3", "Mpc3/littleh3"), COMOVING),
    **dict.fromkeys((MPC_CUBED, "Mpc3", "cMpc^3"), MPC_CUBED),
    NORMALISED: NORMALISED,
}


def known_unit(text: str, known: dict[str, str]) -> str | None:
    """The unit that a text means, a value of `known`; None for another one."""
    return known.get(text.replace(" ", "").replace("**", "^"))
