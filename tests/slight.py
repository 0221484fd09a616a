"""A network that trains on digits in a second: for what is said of trainings, whatever the network."""

from torch import nn

from harness.models import Body, Halves, Pictures

NAME = "tests.slight:Slight"


class Slight(Body):
    """A convolution on the device, two layers on the server."""

    cuts = 1

    def halves(self, cut: int, pictures: Pictures) -> Halves:
        client = nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.BatchNorm2d(8))
        features = 8 * (pictures.shape[1] // 4) * (pictures.shape[2] // 4)
        head = nn.Linear(64, pictures.num_classes)
        server = nn.Sequential(nn.Flatten(), nn.Linear(features, 64), nn.BatchNorm1d(64), nn.ReLU(), head)
        return Halves(client, server)
