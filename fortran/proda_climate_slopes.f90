!> Derivatives of the `proda` scheme's monthly mean scalars with respect to the climate of each layer and month.
!>
!> The climate is differentiated as it is given, not as it is recorded: by temperature (K) and by the water, oxygen and
!> nitrogen scalars (1), in the places of i_decades, i_water, i_oxygen and i_nitrogen. Where the scaled water scalar
!> just reaches its cap, the derivative is that from above: zero.
module proda_climate_slopes
   use kinds, only: dp
   use soil_grid, only: n_layers, n_months
   use proda_forcing, only: n_climate, i_decades, i_water, i_oxygen, i_nitrogen
   use proda_rates, only: temperature_scalars
   implicit none (type, external)
   private

   public :: month_mean_gradient, month_mean_change

   integer, parameter :: i_temperature = i_decades
   real(dp), parameter :: kelvin_per_decade = 10.0_dp

contains

   !> Gradient by climate of a function whose derivatives by the month means are `scalar_bar` and `litter_bar`.
   pure subroutine month_mean_gradient(climate, q10, w_scaling, scalar_bar, litter_bar, climate_bar)
      real(dp), intent(in) :: climate(n_layers, n_months, n_climate), q10, w_scaling
      real(dp), intent(in) :: scalar_bar(n_layers), litter_bar(n_layers)
      real(dp), intent(out) :: climate_bar(n_layers, n_months, n_climate)

      real(dp) :: monthly(n_layers, n_months), slope(n_layers, n_months, i_temperature:i_oxygen)
      real(dp) :: monthly_bar(n_layers)
      integer :: month, field

      call monthly_slopes(climate, q10, w_scaling, monthly, slope)
      do month = 1, n_months
         monthly_bar = scalar_bar + litter_bar*climate(:, month, i_nitrogen)
         do field = i_temperature, i_oxygen
            climate_bar(:, month, field) = slope(:, month, field)*monthly_bar
         end do
         climate_bar(:, month, i_nitrogen) = monthly(:, month)*litter_bar
      end do
   end subroutine month_mean_gradient

   !> Change of the month means when the climate changes.
   pure subroutine month_mean_change(climate, q10, w_scaling, climate_change, scalar_change, litter_change)
      real(dp), intent(in) :: climate(n_layers, n_months, n_climate), q10, w_scaling
      real(dp), intent(in) :: climate_change(n_layers, n_months, n_climate)
      real(dp), intent(out) :: scalar_change(n_layers), litter_change(n_layers)

      real(dp) :: monthly(n_layers, n_months), slope(n_layers, n_months, i_temperature:i_oxygen)
      real(dp) :: monthly_change(n_layers)
      integer :: month

      call monthly_slopes(climate, q10, w_scaling, monthly, slope)
      scalar_change = 0.0_dp
      litter_change = 0.0_dp
      do month = 1, n_months
         monthly_change = sum(slope(:, month, :)*climate_change(:, month, i_temperature:i_oxygen), dim=2)
         scalar_change = scalar_change + monthly_change
         litter_change = litter_change + monthly_change*climate(:, month, i_nitrogen) &
                         + monthly(:, month)*climate_change(:, month, i_nitrogen)
      end do
   end subroutine month_mean_change

   !> What each month adds to the mean scalar, and its derivatives by temperature, water and oxygen scalar.
   pure subroutine monthly_slopes(climate, q10, w_scaling, monthly, slope)
      real(dp), intent(in) :: climate(n_layers, n_months, n_climate), q10, w_scaling
      real(dp), intent(out) :: monthly(n_layers, n_months), slope(n_layers, n_months, i_temperature:i_oxygen)

      real(dp), dimension(n_layers, n_months) :: warmth, wetness

      call temperature_scalars(q10, climate(:, :, i_decades), warmth)
      wetness = climate(:, :, i_water)*w_scaling
      slope(:, :, i_water) = warmth*climate(:, :, i_oxygen)*merge(w_scaling, 0.0_dp, wetness < 1.0_dp)
      wetness = min(1.0_dp, wetness)
      monthly = warmth*wetness*climate(:, :, i_oxygen)
      slope(:, :, i_temperature) = monthly*(log(q10)/kelvin_per_decade)
      slope(:, :, i_oxygen) = warmth*wetness/n_months
   end subroutine monthly_slopes

end module proda_climate_slopes
