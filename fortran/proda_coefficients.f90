!> Coefficients of the steady state of a block of columns under the `proda` scheme, from parameters and column records.
!>
!> First each lane receives its parameters and column, then the block as a whole is completed.
module proda_coefficients
   use kinds, only: dp, lanes
   use soil_grid, only: n_layers, n_months
   use proda_parameters, only: n_parameters, i_diffus, i_cryo, i_q10, i_efolding, i_w_scaling, i_beta
   use proda_forcing, only: n_climate, n_input, i_surface_only
   use proda_transport, only: n_exchange, i_lower_bio, i_lower_cryo, i_lower_floor, i_upper_bio, i_upper_cryo, &
                              i_upper_floor
   use proda_rates, only: month_mean_scalars, month_mean_scalar_slopes, depth_scalars, least_scalar
   use proda_input, only: input_profiles
   use column_block, only: block_coefficients, block_slopes
   implicit none (type, external)
   private

   public :: assemble_lane, assemble_lane_slopes, complete_block

contains

   !> Put one parameter vector and one column into a lane. `next` is the climate record of the column after it, if any.
   pure subroutine assemble_lane(lane, parameter, climate, exchange, input, c, next)
      integer, intent(in) :: lane
      real(dp), intent(in) :: parameter(n_parameters)
      real(dp), intent(in) :: climate(n_layers, n_months, n_climate), exchange(n_layers, n_exchange), input(n_input)
      type(block_coefficients), intent(inout) :: c
      real(dp), intent(in), optional :: next(n_layers, n_months, n_climate)

      real(dp) :: scalar(n_layers), litter_scalar(n_layers)

      call month_mean_scalars(climate, parameter(i_q10), parameter(i_w_scaling), scalar, litter_scalar, next)
      call place(lane, parameter, exchange, input, scalar, litter_scalar, c)
   end subroutine assemble_lane

   !> As assemble_lane, with the derivatives of what differs from column to column.
   pure subroutine assemble_lane_slopes(lane, parameter, climate, exchange, input, c, slopes, next)
      integer, intent(in) :: lane
      real(dp), intent(in) :: parameter(n_parameters)
      real(dp), intent(in) :: climate(n_layers, n_months, n_climate), exchange(n_layers, n_exchange), input(n_input)
      type(block_coefficients), intent(inout) :: c
      type(block_slopes), intent(inout) :: slopes
      real(dp), intent(in), optional :: next(n_layers, n_months, n_climate)

      real(dp), dimension(n_layers) :: scalar, litter_scalar, by_q10, litter_by_q10, by_water, litter_by_water

      call month_mean_scalar_slopes(climate, parameter(i_q10), parameter(i_w_scaling), scalar, litter_scalar, &
                                    by_q10, litter_by_q10, by_water, litter_by_water, next)
      call place(lane, parameter, exchange, input, scalar, litter_scalar, c)
      slopes%by_log_q10(lane, :) = by_q10
      slopes%litter_by_log_q10(lane, :) = litter_by_q10
      slopes%by_water(lane, :) = by_water
      slopes%litter_by_water(lane, :) = litter_by_water
      slopes%lower_by_diffus(lane, :) = exchange(:, i_lower_bio)
      slopes%upper_by_diffus(lane, :) = exchange(:, i_upper_bio)
      slopes%lower_by_cryo(lane, :) = exchange(:, i_lower_cryo)
      slopes%upper_by_cryo(lane, :) = exchange(:, i_upper_cryo)
   end subroutine assemble_lane_slopes

   pure subroutine place(lane, parameter, exchange, input, scalar, litter_scalar, c)
      integer, intent(in) :: lane
      real(dp), intent(in) :: parameter(n_parameters), exchange(n_layers, n_exchange), input(n_input)
      real(dp), intent(in) :: scalar(n_layers), litter_scalar(n_layers)
      type(block_coefficients), intent(inout) :: c

      c%parameter(lane, :) = parameter
      c%input(lane, :) = input
      c%month_mean(lane, :) = scalar
      c%litter_month_mean(lane, :) = litter_scalar
      c%lower(lane, :) = parameter(i_diffus)*exchange(:, i_lower_bio) + parameter(i_cryo)*exchange(:, i_lower_cryo) &
                         + exchange(:, i_lower_floor)
      c%upper(lane, :) = parameter(i_diffus)*exchange(:, i_upper_bio) + parameter(i_cryo)*exchange(:, i_upper_cryo) &
                         + exchange(:, i_upper_floor)
   end subroutine place

   !> What depends on parameters alone, and the scalars with their decrease with depth.
   pure subroutine complete_block(c)
      type(block_coefficients), intent(inout) :: c

      call depth_scalars(c%parameter(:, i_efolding), c%depth, c%depth_slope)
      call input_profiles(c%parameter(:, i_beta), c%input(:, i_surface_only), c%profile, c%profile_slope)
      c%scalar = c%month_mean*c%depth + least_scalar
      c%litter_scalar = c%litter_month_mean*c%depth + least_scalar
   end subroutine complete_block

end module proda_coefficients
