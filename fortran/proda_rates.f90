!> Decomposition rates of the `proda` scheme: month means of the environmental scalars, and their decrease with depth.
!>
!> PRODA matrix_fun.m, lines 120-160 (after CTSM SoilBiogeochemDecompCascadeBGCMod.F90; CLM5 tech note, section
!> 2.21.4). The published code uses the same Q10 above and below freezing, does not normalise it to the CENTURY
!> function and takes unweighted month means.
module proda_rates
   use kinds, only: dp
   use soil_grid, only: n_layers, n_months, node_depth
   use exponentials, only: powers_of_two
   use proda_forcing, only: n_climate, i_decades, i_water, i_oxygen, i_oxygen_nitrogen
   implicit none (type, external)
   private

   public :: month_mean_scalars, month_mean_scalar_slopes, depth_scalar, least_scalar

   !> Added to each layer's scalar, so that a soil in which nothing can decompose (w_scaling = 0, efolding = 0, frozen
   !> and dry all year) has a steady state, absurdly large but finite. Far below the exchange that the floor on
   !> diffusivity leaves (1e-28), it changes no other result.
   real(dp), parameter :: least_scalar = 1.0e-90_dp

   !> Below this e-folding depth (m), even the first layer's exp(-z / efolding) vanishes in double precision, and so do
   !> its derivatives: the limit at 0.
   real(dp), parameter :: least_efolding = 1.0e-5_dp

   integer, parameter :: n_records = n_layers*n_months

contains

   !> Month means, by layer, of q10**((T - 298.15)/10) min(1, w w_scaling) o, and of that times the nitrogen scalar for
   !> litter L1-L3.
   pure subroutine month_mean_scalars(climate, q10, w_scaling, scalar, litter_scalar)
      real(dp), intent(in) :: climate(n_layers, n_months, n_climate)
      real(dp), intent(in) :: q10, w_scaling
      real(dp), intent(out) :: scalar(n_layers), litter_scalar(n_layers)

      real(dp) :: warmth(n_layers, n_months), wetness
      integer :: layer, month

      call temperature_scalar(climate(:, :, i_decades), q10, warmth)
      scalar = 0.0_dp
      litter_scalar = 0.0_dp
      do month = 1, n_months
         !$omp simd private(wetness)
         do layer = 1, n_layers
            wetness = min(1.0_dp, climate(layer, month, i_water)*w_scaling)
            scalar(layer) = scalar(layer) + warmth(layer, month)*climate(layer, month, i_oxygen)*wetness
            litter_scalar(layer) = litter_scalar(layer) &
                                   + warmth(layer, month)*climate(layer, month, i_oxygen_nitrogen)*wetness
         end do
      end do
   end subroutine month_mean_scalars

   !> As month_mean_scalars, with the derivatives with respect to ln(q10) and w_scaling. Where the water scalar just
   !> reaches its cap, the derivative is that from above: zero.
   pure subroutine month_mean_scalar_slopes(climate, q10, w_scaling, scalar, litter_scalar, by_q10, litter_by_q10, &
                                            by_water, litter_by_water)
      real(dp), intent(in) :: climate(n_layers, n_months, n_climate)
      real(dp), intent(in) :: q10, w_scaling
      real(dp), intent(out) :: scalar(n_layers), litter_scalar(n_layers)
      real(dp), intent(out) :: by_q10(n_layers), litter_by_q10(n_layers)
      real(dp), intent(out) :: by_water(n_layers), litter_by_water(n_layers)

      real(dp) :: warmth(n_layers, n_months), wetness, with_oxygen, with_nitrogen, slope
      integer :: layer, month

      call temperature_scalar(climate(:, :, i_decades), q10, warmth)
      scalar = 0.0_dp
      litter_scalar = 0.0_dp
      by_q10 = 0.0_dp
      litter_by_q10 = 0.0_dp
      by_water = 0.0_dp
      litter_by_water = 0.0_dp
      do month = 1, n_months
         !$omp simd private(wetness, with_oxygen, with_nitrogen, slope)
         do layer = 1, n_layers
            wetness = climate(layer, month, i_water)*w_scaling
            slope = merge(climate(layer, month, i_water), 0.0_dp, wetness < 1.0_dp)
            wetness = min(1.0_dp, wetness)
            with_oxygen = warmth(layer, month)*climate(layer, month, i_oxygen)
            with_nitrogen = warmth(layer, month)*climate(layer, month, i_oxygen_nitrogen)
            by_water(layer) = by_water(layer) + with_oxygen*slope
            litter_by_water(layer) = litter_by_water(layer) + with_nitrogen*slope
            with_oxygen = with_oxygen*wetness
            with_nitrogen = with_nitrogen*wetness
            scalar(layer) = scalar(layer) + with_oxygen
            litter_scalar(layer) = litter_scalar(layer) + with_nitrogen
            by_q10(layer) = by_q10(layer) + with_oxygen*climate(layer, month, i_decades)
            litter_by_q10(layer) = litter_by_q10(layer) + with_nitrogen*climate(layer, month, i_decades)
         end do
      end do
   end subroutine month_mean_scalar_slopes

   !> q10**((T - 298.15)/10) of every layer and month.
   pure subroutine temperature_scalar(decades, q10, warmth)
      real(dp), intent(in) :: decades(n_layers, n_months), q10
      real(dp), intent(out) :: warmth(n_layers, n_months)

      real(dp) :: exponent(n_layers, n_months)

      exponent = decades*(log(q10)/log(2.0_dp))
      call powers_of_two(n_records, exponent, warmth)
   end subroutine temperature_scalar

   !> exp(-z / efolding) at each node, and its derivative with respect to efolding (m-1).
   pure subroutine depth_scalar(efolding, scalar, slope)
      real(dp), intent(in) :: efolding
      real(dp), intent(out) :: scalar(n_layers), slope(n_layers)

      real(dp) :: relative_depth(n_layers), bounded

      bounded = max(efolding, least_efolding)
      relative_depth = node_depth(1:n_layers)/bounded
      call powers_of_two(n_layers, -relative_depth/log(2.0_dp), scalar)
      slope = scalar*relative_depth/bounded
   end subroutine depth_scalar

end module proda_rates
