!> Decomposition rates of the `proda` scheme: mean environmental scalars, and their decrease with depth.
!>
!> PRODA matrix_fun.m (after CTSM SoilBiogeochemDecompCascadeBGCMod.F90; CLM5 tech note, chapter Decomposition,
!> environmental modifiers). The published code uses the same Q10 above and below freezing (lines 76 and 140), does not
!> normalise it to the CENTURY function and takes unweighted means over months.
module proda_rates
   use kinds, only: dp, lanes
   use soil_grid, only: n_layers, n_months, node_depth
   use exponentials, only: powers_of_two
   use memory, only: prefetch
   use proda_forcing, only: n_climate, i_decades, i_water, i_oxygen, i_nitrogen
   implicit none (type, external)
   private

   public :: month_mean_scalars, month_mean_scalar_slopes, temperature_scalars, depth_scalars, least_scalar

   !> Added to each layer's scalar, so that a soil in which nothing can decompose (w_scaling = 0, efolding = 0, frozen
   !> and dry all year) has a steady state, absurdly large but finite. Far below the exchange that the floor on
   !> diffusivity leaves (1e-28), it changes no other result.
   real(dp), parameter :: least_scalar = 1.0e-90_dp

   !> Below this e-folding depth (m), even the first layer's exp(-z / efolding) vanishes in double precision, and so do
   !> its derivatives: the limit at 0.
   real(dp), parameter :: least_efolding = 1.0e-5_dp

   integer, parameter :: n_records = n_layers*n_months
   !> Records are taken two months at a time: 40 numbers fill whole vector registers.
   integer, parameter :: n_paired = 2*n_layers, n_pairs = n_months/2
   !> Temperature scalars are computed in chunks, between which a part of the next record is fetched.
   integer, parameter :: n_chunks = 6, n_chunk = n_records/n_chunks, n_fetched = n_records*n_climate/n_chunks

contains

   !> Month means, by layer, of q10**((T - 298.15)/10) min(1, w w_scaling) o, and of that times the nitrogen scalar for
   !> litter L1-L3. `next` is the record that will be wanted after this one: it is fetched meanwhile, for otherwise
   !> waiting for memory would take as long as computing.
   pure subroutine month_mean_scalars(climate, q10, w_scaling, scalar, litter_scalar, next)
      real(dp), intent(in) :: climate(n_paired, n_pairs, n_climate)
      real(dp), intent(in) :: q10, w_scaling
      real(dp), intent(out) :: scalar(n_layers), litter_scalar(n_layers)
      real(dp), intent(in), optional :: next(n_records*n_climate)

      real(dp), dimension(n_paired) :: with_oxygen, with_nitrogen
      real(dp) :: warmth(n_paired, n_pairs), monthly, sums(2)
      integer :: pair, i

      call temperature_scalars(q10, climate(:, :, i_decades), warmth, next)
      !$omp simd private(monthly, sums)
      do i = 1, n_paired
         sums = 0.0_dp
         do pair = 1, n_pairs
            monthly = warmth(i, pair)*min(1.0_dp, climate(i, pair, i_water)*w_scaling)*climate(i, pair, i_oxygen)
            sums(1) = sums(1) + monthly
            sums(2) = sums(2) + monthly*climate(i, pair, i_nitrogen)
         end do
         with_oxygen(i) = sums(1)
         with_nitrogen(i) = sums(2)
      end do
      scalar = both_months(with_oxygen)
      litter_scalar = both_months(with_nitrogen)
   end subroutine month_mean_scalars

   !> As month_mean_scalars, with the derivatives with respect to ln(q10) and w_scaling. Where the water scalar just
   !> reaches its cap, the derivative is that from above: zero.
   pure subroutine month_mean_scalar_slopes(climate, q10, w_scaling, scalar, litter_scalar, by_q10, litter_by_q10, &
                                            by_water, litter_by_water, next)
      real(dp), intent(in) :: climate(n_paired, n_pairs, n_climate)
      real(dp), intent(in) :: q10, w_scaling
      real(dp), intent(out), dimension(n_layers) :: scalar, litter_scalar, by_q10, litter_by_q10
      real(dp), intent(out), dimension(n_layers) :: by_water, litter_by_water
      real(dp), intent(in), optional :: next(n_records*n_climate)

      real(dp), dimension(n_paired) :: with_oxygen, with_nitrogen
      real(dp), dimension(n_paired) :: oxygen_by_q10, nitrogen_by_q10, oxygen_by_water, nitrogen_by_water
      real(dp) :: warmth(n_paired, n_pairs), wetness, monthly, slope, sums(6)
      integer :: pair, i

      call temperature_scalars(q10, climate(:, :, i_decades), warmth, next)
      !$omp simd private(wetness, monthly, slope, sums)
      do i = 1, n_paired
         sums = 0.0_dp
         do pair = 1, n_pairs
            wetness = climate(i, pair, i_water)*w_scaling
            slope = merge(climate(i, pair, i_water), 0.0_dp, wetness < 1.0_dp)
            slope = warmth(i, pair)*slope*climate(i, pair, i_oxygen)
            sums(5) = sums(5) + slope
            sums(6) = sums(6) + slope*climate(i, pair, i_nitrogen)
            monthly = warmth(i, pair)*min(1.0_dp, wetness)*climate(i, pair, i_oxygen)
            sums(1) = sums(1) + monthly
            sums(2) = sums(2) + monthly*climate(i, pair, i_nitrogen)
            slope = monthly*climate(i, pair, i_decades)
            sums(3) = sums(3) + slope
            sums(4) = sums(4) + slope*climate(i, pair, i_nitrogen)
         end do
         with_oxygen(i) = sums(1)
         with_nitrogen(i) = sums(2)
         oxygen_by_q10(i) = sums(3)
         nitrogen_by_q10(i) = sums(4)
         oxygen_by_water(i) = sums(5)
         nitrogen_by_water(i) = sums(6)
      end do
      scalar = both_months(with_oxygen)
      litter_scalar = both_months(with_nitrogen)
      by_q10 = both_months(oxygen_by_q10)
      litter_by_q10 = both_months(nitrogen_by_q10)
      by_water = both_months(oxygen_by_water)
      litter_by_water = both_months(nitrogen_by_water)
   end subroutine month_mean_scalar_slopes

   !> q10**((T - 298.15)/10) of every layer and month.
   pure subroutine temperature_scalars(q10, decades, warmth, next)
      real(dp), intent(in) :: q10, decades(n_chunk, n_chunks)
      real(dp), intent(out) :: warmth(n_chunk, n_chunks)
      real(dp), intent(in), optional :: next(n_fetched, n_chunks)

      real(dp) :: log2_q10
      integer :: chunk

      log2_q10 = log(q10)/log(2.0_dp)
      do chunk = 1, n_chunks
         if (present(next)) call prefetch(n_fetched, next(:, chunk))
         call powers_of_two(n_chunk, log2_q10, decades(:, chunk), warmth(:, chunk))
      end do
   end subroutine temperature_scalars

   pure function both_months(paired) result(total)
      real(dp), intent(in) :: paired(n_paired)
      real(dp) :: total(n_layers)

      total = paired(:n_layers) + paired(n_layers + 1:)
   end function both_months

   !> exp(-z / efolding) at each node, and its derivative with respect to efolding (m-1), for a block of columns.
   pure subroutine depth_scalars(efolding, scalar, slope)
      real(dp), intent(in) :: efolding(lanes)
      real(dp), intent(out) :: scalar(lanes, n_layers), slope(lanes, n_layers)

      real(dp) :: per_metre(lanes), relative_depth(lanes, n_layers)
      integer :: j

      per_metre = 1.0_dp/max(efolding, least_efolding)
      do j = 1, n_layers
         relative_depth(:, j) = node_depth(j)*per_metre
      end do
      call powers_of_two(lanes*n_layers, -1.0_dp/log(2.0_dp), relative_depth, scalar)
      do j = 1, n_layers
         slope(:, j) = scalar(:, j)*relative_depth(:, j)*per_metre
      end do
   end subroutine depth_scalars

end module proda_rates
