"""Pictures become what a person would see, whatever they are stored as; what has no white is refused."""

from io import BytesIO
from pathlib import Path

import numpy
import pytest
from PIL import Image

from harness.data.pixels import NoPicture, exact, picture, square

CORAL = (200, 100, 50)
SHAPE = (8, 8)


def plain() -> Image.Image:
    return Image.new("RGB", SHAPE, CORAL)


def faded() -> Image.Image:
    """Coral whose columns are, from the left, gone, half there and there."""
    alpha = numpy.tile(numpy.array([0, 0, 128, 128, 255, 255, 255, 255], numpy.uint8), (8, 1))
    return Image.fromarray(numpy.dstack([numpy.array(plain()), alpha]))


def deep(kind: type[numpy.integer] = numpy.uint16) -> Image.Image:
    """Columns from black to the white of 16 bits."""
    return Image.fromarray(numpy.tile(numpy.linspace(0, 65535, 8).astype(kind), (8, 1)))


def stored(image: Image.Image, ending: str, folder: Path, **settings: object) -> Path:
    path = folder / f"image.{ending}"
    image.save(path, **settings)  # type: ignore[arg-type]
    return path


def row(image: Image.Image) -> list[tuple[int, ...]]:
    """The upper row's pixels."""
    return [tuple(pixel) for pixel in numpy.array(image)[0].tolist()]


@pytest.mark.parametrize("ending", ["png", "tif", "pgm", "jp2"])
def test_grey_of_16_bits_is_scaled_to_8(ending: str, tmp_path: Path) -> None:
    expected = [round(level) for level in numpy.linspace(0, 255, 8)]
    got = row(picture(stored(deep(), ending, tmp_path)))
    assert [pixel[0] for pixel in got] == pytest.approx(expected, abs=1)
    assert all(len(set(pixel)) == 1 for pixel in got)
    assert (got[0][0], got[-1][0]) == (0, 255)


@pytest.mark.parametrize(
    ("image", "ending"),
    [
        (plain().quantize(4), "png"),
        (plain().quantize(4), "gif"),
        (plain(), "bmp"),
        (plain(), "tif"),
        (plain(), "ppm"),
        (plain(), "qoi"),
        (plain(), "tga"),
        (plain().convert("CMYK"), "tif"),
        (plain().convert("CMYK"), "jpg"),
        (plain().convert("RGBA"), "png"),
    ],
)
def test_colours_are_the_same_however_they_are_stored(image: Image.Image, ending: str, tmp_path: Path) -> None:
    assert set(row(picture(stored(image, ending, tmp_path)))) == {CORAL}


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    image = Image.fromarray(numpy.tile(numpy.array([True, False] * 4), (8, 1)))
    assert image.mode == "1"
    assert row(picture(stored(image, "png", tmp_path)))[:2] == [(255, 255, 255), (0, 0, 0)]


@pytest.mark.parametrize("ending", ["png", "tif", "webp"])
def test_what_is_transparent_is_white_not_what_hides_below(ending: str, tmp_path: Path) -> None:
    settings = {"lossless": True} if ending == "webp" else {}
    got = row(picture(stored(faded(), ending, tmp_path, **settings)))
    assert (got[0], got[-1]) == ((255, 255, 255), CORAL)
    assert got[2] == pytest.approx([(255 + channel) / 2 for channel in CORAL], abs=1)


def test_a_palette_and_a_grey_level_may_be_transparent(tmp_path: Path) -> None:
    for image in (plain().quantize(4), Image.new("L", SHAPE, 7)):
        level = int(numpy.array(image)[0, 0])
        path = stored(image, "png", tmp_path, transparency=level)
        assert set(row(picture(path))) == {(255, 255, 255)}


@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
def test_an_animation_is_its_first_frame(ending: str, tmp_path: Path) -> None:
    settings = {"lossless": True} if ending == "webp" else {}
    path = stored(plain(), ending, tmp_path, save_all=True, append_images=[Image.new("RGB", SHAPE, "blue")], **settings)
    with Image.open(path) as image:
        assert getattr(image, "n_frames", 1) == 2
    assert set(row(picture(path))) == {CORAL}


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    image = Image.new("RGB", SHAPE, "black")
    image.paste((255, 255, 255), (0, 0, 8, 4))
    tag = Image.Exif()
    tag[0x0112] = 3  # upside down
    got = picture(stored(image, "png", tmp_path, exif=tag))
    assert got.getpixel((0, 0)) == (0, 0, 0)
    assert got.getpixel((0, 7)) == (255, 255, 255)


@pytest.mark.parametrize(
    "image", [deep(numpy.int32), Image.fromarray(numpy.zeros(SHAPE, numpy.float32))], ids=["int32", "float"]
)
def test_pixels_without_a_known_white_are_refused(image: Image.Image, tmp_path: Path) -> None:
    with pytest.raises(NoPicture, match=rf"32 bits \(mode {image.mode}\).*save it with 8 or 16 bits"):
        picture(stored(image, "tif", tmp_path))


def test_what_is_no_whole_picture_is_refused(tmp_path: Path) -> None:
    whole = stored(
        Image.fromarray(numpy.random.default_rng(0).integers(0, 256, (64, 64, 3), numpy.uint8)), "png", tmp_path
    )
    torn = tmp_path / "torn.png"
    torn.write_bytes(whole.read_bytes()[:5000])
    for source in (torn, torn.read_bytes()):
        with pytest.raises(NoPicture, match="truncated"):
            picture(source)
    for nothing in (None, b"", b"no picture"):
        with pytest.raises(NoPicture, match="no image format is recognised"):
            picture(nothing)


def test_postscript_is_never_run(tmp_path: Path) -> None:
    path = stored(plain(), "eps", tmp_path)
    with pytest.raises(NoPicture, match="no image format"):
        picture(path)


def test_a_picture_named_as_another_format_is_read_as_what_it_is(tmp_path: Path) -> None:
    path = stored(plain(), "png", tmp_path).rename(tmp_path / "image.jpg")
    assert set(row(picture(path))) == {CORAL}


def test_a_square_is_the_centre_and_an_exact_picture_has_its_size() -> None:
    buffer = BytesIO()
    plain().resize((16, 8)).save(buffer, "PNG")
    assert square(picture(buffer.getvalue()), 4).shape == (3, 4, 4)
    assert exact(plain(), 8)[:, 3, 3].tolist() == list(CORAL)
    with pytest.raises(NoPicture, match="has 8x8 pixels, not 4x4"):
        exact(plain(), 4)
