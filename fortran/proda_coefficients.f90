!> Coefficients of the steady state of a block of columns under the `proda` scheme, from parameters and column records.
module proda_coefficients
   use kinds, only: dp, lanes
   use soil_grid, only: n_layers, n_months
   use proda_parameters, only: n_parameters, i_diffus, i_cryo, i_q10, i_efolding, i_w_scaling, i_beta
   use proda_forcing, only: n_climate, n_input, i_surface_only
   use proda_transport, only: n_exchange, i_lower_bio, i_lower_cryo, i_lower_floor, i_upper_bio, i_upper_cryo, &
                              i_upper_floor
   use proda_rates, only: month_mean_scalars, month_mean_scalar_slopes, depth_scalar, least_scalar
   use proda_input, only: input_profile
   use column_block, only: block_coefficients, block_slopes
   implicit none (type, external)
   private

   public :: assemble_lane, assemble_lane_slopes

contains

   !> Put one parameter vector and one column into a lane.
   pure subroutine assemble_lane(lane, parameter, climate, exchange, input, c)
      integer, intent(in) :: lane
      real(dp), intent(in) :: parameter(n_parameters)
      real(dp), intent(in) :: climate(n_layers, n_months, n_climate), exchange(n_layers, n_exchange), input(n_input)
      type(block_coefficients), intent(inout) :: c

      real(dp) :: scalar(n_layers), litter_scalar(n_layers), with_depth(n_layers), depth_slope(n_layers)
      real(dp) :: profile(n_layers), profile_slope(n_layers)

      call month_mean_scalars(climate, parameter(i_q10), parameter(i_w_scaling), scalar, litter_scalar)
      call depth_scalar(parameter(i_efolding), with_depth, depth_slope)
      call input_profile(parameter(i_beta), input(i_surface_only) > 0.0_dp, profile, profile_slope)
      call place(lane, parameter, exchange, input, scalar*with_depth, litter_scalar*with_depth, profile, c)
   end subroutine assemble_lane

   !> As assemble_lane, with the derivatives of the coefficients.
   pure subroutine assemble_lane_slopes(lane, parameter, climate, exchange, input, c, slopes)
      integer, intent(in) :: lane
      real(dp), intent(in) :: parameter(n_parameters)
      real(dp), intent(in) :: climate(n_layers, n_months, n_climate), exchange(n_layers, n_exchange), input(n_input)
      type(block_coefficients), intent(inout) :: c
      type(block_slopes), intent(inout) :: slopes

      real(dp) :: scalar(n_layers), litter_scalar(n_layers), with_depth(n_layers), depth_slope(n_layers)
      real(dp) :: by_q10(n_layers), litter_by_q10(n_layers), by_water(n_layers), litter_by_water(n_layers)
      real(dp) :: profile(n_layers), profile_slope(n_layers)

      call month_mean_scalar_slopes(climate, parameter(i_q10), parameter(i_w_scaling), scalar, litter_scalar, &
                                    by_q10, litter_by_q10, by_water, litter_by_water)
      call depth_scalar(parameter(i_efolding), with_depth, depth_slope)
      call input_profile(parameter(i_beta), input(i_surface_only) > 0.0_dp, profile, profile_slope)
      call place(lane, parameter, exchange, input, scalar*with_depth, litter_scalar*with_depth, profile, c)
      slopes%scalar_by_q10(lane, :) = by_q10*with_depth/parameter(i_q10)
      slopes%litter_scalar_by_q10(lane, :) = litter_by_q10*with_depth/parameter(i_q10)
      slopes%scalar_by_water(lane, :) = by_water*with_depth
      slopes%litter_scalar_by_water(lane, :) = litter_by_water*with_depth
      slopes%scalar_by_efolding(lane, :) = scalar*depth_slope
      slopes%litter_scalar_by_efolding(lane, :) = litter_scalar*depth_slope
      slopes%lower_by_diffus(lane, :) = exchange(:, i_lower_bio)
      slopes%upper_by_diffus(lane, :) = exchange(:, i_upper_bio)
      slopes%lower_by_cryo(lane, :) = exchange(:, i_lower_cryo)
      slopes%upper_by_cryo(lane, :) = exchange(:, i_upper_cryo)
      slopes%profile_by_beta(lane, :) = profile_slope
   end subroutine assemble_lane_slopes

   pure subroutine place(lane, parameter, exchange, input, scalar, litter_scalar, profile, c)
      integer, intent(in) :: lane
      real(dp), intent(in) :: parameter(n_parameters), exchange(n_layers, n_exchange), input(n_input)
      real(dp), intent(in) :: scalar(n_layers), litter_scalar(n_layers), profile(n_layers)
      type(block_coefficients), intent(inout) :: c

      c%parameter(lane, :) = parameter
      c%input(lane, :) = input
      c%scalar(lane, :) = scalar + least_scalar
      c%litter_scalar(lane, :) = litter_scalar + least_scalar
      c%lower(lane, :) = parameter(i_diffus)*exchange(:, i_lower_bio) + parameter(i_cryo)*exchange(:, i_lower_cryo) &
                         + exchange(:, i_lower_floor)
      c%upper(lane, :) = parameter(i_diffus)*exchange(:, i_upper_bio) + parameter(i_cryo)*exchange(:, i_upper_cryo) &
                         + exchange(:, i_upper_floor)
      c%profile(lane, :) = profile
   end subroutine place

end module proda_coefficients
