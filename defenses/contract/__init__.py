"""What must hold of every defense, as checks that a plug-in's author runs on their class.

A plug-in's whole test is::

    @pytest.mark.parametrize("law", contract.LAWS.values(), ids=contract.LAWS)
    def test_mine_keeps(law):
        law(contract.Case(Mine, {"alpha": 0.3}))

``Case(..., thorough=True)`` holds bounds to 1 % at three levels of noise, on features of every kind, in up to a minute.
"""

from collections.abc import Callable

from defenses.contract.bench import NUM_IMAGES, SHAPES, Bench, Case, HasEstimate
from defenses.contract.bounds import (
    bounds_what_it_declares,
    falls_as_features_shrink,
    follows_the_client,
    rises_as_the_noise_falls,
)
from defenses.contract.charges import (
    bounds_what_a_base_releases,
    charges_what_it_bounds,
    penalises_what_it_estimates,
)
from defenses.contract.jumps import says_where_it_jumps
from defenses.contract.release import (
    has_one_law,
    hides_by_image_or_draw,
    ignores_the_order_of_a_batch,
    keeps_the_shape,
    releases_by_its_law,
    releases_each_image_by_itself,
    strength_zero_is_the_identity,
)
from defenses.contract.state import (
    moves_between_devices,
    refuses_bad_settings,
    repeats_itself,
    survives_saving,
)
from defenses.contract.training import (
    lets_gradients_through,
    minds_what_changes_the_function,
    pays_only_for_what_hides,
    reaches_the_client,
    starts_with_the_others,
    trains_for_an_epoch,
)

__all__ = ["LAWS", "NUM_IMAGES", "SHAPES", "Bench", "Case", "HasEstimate"]

LAWS: dict[str, Callable[[Case], None]] = {
    law.__name__: law
    for law in (
        keeps_the_shape,
        strength_zero_is_the_identity,
        has_one_law,
        releases_each_image_by_itself,
        releases_by_its_law,
        hides_by_image_or_draw,
        says_where_it_jumps,
        lets_gradients_through,
        reaches_the_client,
        starts_with_the_others,
        minds_what_changes_the_function,
        pays_only_for_what_hides,
        trains_for_an_epoch,
        repeats_itself,
        survives_saving,
        moves_between_devices,
        refuses_bad_settings,
        ignores_the_order_of_a_batch,
        bounds_what_it_declares,
        falls_as_features_shrink,
        rises_as_the_noise_falls,
        follows_the_client,
        penalises_what_it_estimates,
        charges_what_it_bounds,
        bounds_what_a_base_releases,
    )
}
