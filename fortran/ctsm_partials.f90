!> Derivatives of the CTSM schemes' coefficients with respect to their parameters, process by process.
!>
!> Where the model has a kink (freezing point, minpsi, maxpsi, an interface at the active layer) these are the
!> derivatives of the branch that the model takes; they are finite everywhere.
module ctsm_partials
   use kinds, only: dp
   use soil_grid, only: n_layers, n_pools, node_depth, interface_depth
   use ctsm_parameters, only: ctsm_scheme, version_clm50, freezing_point, i_cwd, i_s2, i_s3
   use ctsm_forcing, only: soil_state
   use ctsm_rates, only: environment_scalars, spinup_terms
   use ctsm_diffusivity, only: mixing_profile
   use ctsm_transport, only: patankar, node_distance, weight_below
   implicit none (type, external)
   private

   public :: scalar_partials, mixing_partials, exchange_partials, rate_partials
   public :: evaluate_scalar_partials, evaluate_mixing_partials, evaluate_exchange_partials, evaluate_rate_partials

   type :: scalar_partials
      real(dp), dimension(n_layers) :: temperature_by_q10, temperature_by_froz_q10, water_by_minpsi, water_by_maxpsi, &
                                       oxygen_by_floor, depth_by_efolding
   end type scalar_partials

   type :: mixing_partials
      real(dp), dimension(n_layers + 1) :: diffusivity_by_bioturbation, diffusivity_by_cryoturbation, &
                                           diffusivity_by_depth, velocity_by_advection
   end type mixing_partials

   !> Of the exchange over the face below each level; diffusion changes both directions alike.
   type :: exchange_partials
      real(dp), dimension(n_layers) :: by_diffusivity_here, by_diffusivity_below, downward_by_velocity, &
                                       upward_by_velocity
   end type exchange_partials

   !> Of each pool's base rate and spin-up term by its own turnover time, and of the rate by the year's length.
   type :: rate_partials
      real(dp), dimension(n_pools) :: rate_by_turnover, spinup_by_turnover, rate_by_year
   end type rate_partials

contains

   pure subroutine evaluate_scalar_partials(scheme, state, scalars, partials)
      type(ctsm_scheme), intent(in) :: scheme
      type(soil_state), intent(in) :: state
      type(environment_scalars), intent(in) :: scalars
      type(scalar_partials), intent(out) :: partials

      call temperature_partials(scheme, state%temperature, scalars%temperature, partials)
      call water_partials(scheme, state, partials)
      call oxygen_partials(scheme, state, partials)
      partials%depth_by_efolding = scheme%depth_scalar*node_depth(1:n_layers) &
         /scheme%parameters%decomp_depth_efolding**2
   end subroutine evaluate_scalar_partials

   pure subroutine temperature_partials(scheme, temperature, scalar, partials)
      type(ctsm_scheme), intent(in) :: scheme
      real(dp), intent(in) :: temperature(n_layers), scalar(n_layers)
      type(scalar_partials), intent(inout) :: partials
      real(dp) :: normalised

      partials%temperature_by_q10 = 0.0_dp
      partials%temperature_by_froz_q10 = 0.0_dp
      if (scheme%switches%use_century_tfunc) return
      normalised = merge(1.0_dp, 0.0_dp, scheme%switches%normalize_q10_to_century)
      associate (p => scheme%parameters)
         where (temperature >= freezing_point)
            partials%temperature_by_q10 = scalar/p%q10 &
               *((temperature - freezing_point - 25.0_dp)/10.0_dp + normalised)
         else where
            partials%temperature_by_q10 = scalar/p%q10*(normalised - 2.5_dp)
            partials%temperature_by_froz_q10 = scalar/p%froz_q10*(temperature - freezing_point)/10.0_dp
         end where
      end associate
   end subroutine temperature_partials

   pure subroutine water_partials(scheme, state, partials)
      type(ctsm_scheme), intent(in) :: scheme
      type(soil_state), intent(in) :: state
      type(scalar_partials), intent(inout) :: partials
      real(dp) :: scalar, dry
      integer :: j

      partials%water_by_minpsi = 0.0_dp
      partials%water_by_maxpsi = 0.0_dp
      associate (p => scheme%parameters, psi => state%water_potential, range => scheme%log_potential_range)
         do j = 1, n_layers
            if (psi(j) <= p%minpsi_hr .or. psi(j) >= p%maxpsi_hr) cycle
            scalar = log(p%minpsi_hr/psi(j))/range
            dry = dry_share(scheme, state, j)
            partials%water_by_minpsi(j) = dry*(1.0_dp - scalar)/(p%minpsi_hr*range)
            partials%water_by_maxpsi(j) = dry*scalar/(p%maxpsi_hr*range)
         end do
      end associate
   end subroutine water_partials

   !> Share of the water scalar that anoxia_wtsat leaves to the water potential.
   pure function dry_share(scheme, state, j) result(share)
      type(ctsm_scheme), intent(in) :: scheme
      type(soil_state), intent(in) :: state
      integer, intent(in) :: j
      real(dp) :: share

      share = 1.0_dp
      if (scheme%switches%use_lch4 .and. scheme%switches%anoxia_wtsat &
          .and. state%temperature(j) > freezing_point) share = 1.0_dp - state%inundated_fraction
   end function dry_share

   pure subroutine oxygen_partials(scheme, state, partials)
      type(ctsm_scheme), intent(in) :: scheme
      type(soil_state), intent(in) :: state
      type(scalar_partials), intent(inout) :: partials
      real(dp) :: wet

      partials%oxygen_by_floor = 0.0_dp
      if (.not. (scheme%switches%use_lch4 .and. scheme%switches%anoxia)) return
      wet = merge(state%inundated_fraction, 0.0_dp, scheme%switches%anoxia_wtsat)
      associate (floor => scheme%parameters%mino2lim)
         where (state%oxygen_unsaturated < floor) partials%oxygen_by_floor = 1.0_dp - wet
         where (state%oxygen_saturated < floor) partials%oxygen_by_floor = partials%oxygen_by_floor + wet
      end associate
   end subroutine oxygen_partials

   !> clm5.0 does not take its diffusivities from the parameters.
   pure subroutine evaluate_mixing_partials(scheme, thaw, nbedrock, partials)
      type(ctsm_scheme), intent(in) :: scheme
      real(dp), intent(in) :: thaw
      integer, intent(in) :: nbedrock
      type(mixing_partials), intent(out) :: partials
      real(dp) :: from_file
      integer :: deepest

      deepest = nbedrock + 1
      from_file = merge(0.0_dp, 1.0_dp, scheme%switches%version == version_clm50)
      partials%diffusivity_by_bioturbation = 0.0_dp
      partials%diffusivity_by_cryoturbation = 0.0_dp
      partials%diffusivity_by_depth = 0.0_dp
      partials%velocity_by_advection = 0.0_dp
      if (thaw <= 0.0_dp) return
      if (thaw <= scheme%parameters%max_altdepth_cryoturbation) then
         call cryoturbation_partials(scheme, thaw, deepest, from_file, partials)
      else
         partials%diffusivity_by_bioturbation(:deepest) = from_file
         partials%velocity_by_advection(:deepest) = 1.0_dp
      end if
   end subroutine evaluate_mixing_partials

   pure subroutine cryoturbation_partials(scheme, thaw, deepest, from_file, partials)
      type(ctsm_scheme), intent(in) :: scheme
      real(dp), intent(in) :: thaw, from_file
      integer, intent(in) :: deepest
      type(mixing_partials), intent(inout) :: partials
      real(dp) :: end_of_mixing, below_thaw, shape
      integer :: j

      associate (p => scheme%parameters)
         end_of_mixing = min(p%max_depth_cryoturb, interface_depth(deepest))
         do j = 1, deepest
            below_thaw = interface_depth(j) - thaw
            if (below_thaw < 0.0_dp) then
               partials%diffusivity_by_cryoturbation(j) = from_file
               cycle
            end if
            if (abs(end_of_mixing - thaw) <= 0.0_dp) cycle
            shape = 1.0_dp - below_thaw/(end_of_mixing - thaw)
            if (shape <= 0.0_dp) cycle
            partials%diffusivity_by_cryoturbation(j) = from_file*shape
            if (p%max_depth_cryoturb < interface_depth(deepest)) then
               partials%diffusivity_by_depth(j) = p%cryoturb_diffusion_k*below_thaw/(end_of_mixing - thaw)**2
            end if
         end do
      end associate
   end subroutine cryoturbation_partials

   pure subroutine evaluate_exchange_partials(mixing, nbedrock, partials)
      type(mixing_profile), intent(in) :: mixing
      integer, intent(in) :: nbedrock
      type(exchange_partials), intent(out) :: partials
      real(dp) :: mean, face, peclet, weight, slope
      integer :: j

      partials%by_diffusivity_here = 0.0_dp
      partials%by_diffusivity_below = 0.0_dp
      partials%downward_by_velocity = 0.0_dp
      partials%upward_by_velocity = 0.0_dp
      do j = 1, nbedrock - 1
         associate (here => mixing%diffusivity(j), below => mixing%diffusivity(j + 1), &
                    velocity => mixing%velocity(j + 1))
            slope = 0.0_dp
            if (here > 0.0_dp .and. below > 0.0_dp) then
               mean = 1.0_dp/((1.0_dp - weight_below(j))/here + weight_below(j)/below)
               face = mean/node_distance(j + 1)
               peclet = velocity/face
               slope = patankar_slope(peclet)
               weight = (patankar(peclet) - peclet*slope)/node_distance(j + 1)
               partials%by_diffusivity_here(j) = weight*(mean/here)**2*(1.0_dp - weight_below(j))
               partials%by_diffusivity_below(j) = weight*(mean/below)**2*weight_below(j)
            end if
            partials%downward_by_velocity(j) = slope + merge(1.0_dp, 0.0_dp, velocity >= 0.0_dp)
            partials%upward_by_velocity(j) = slope - merge(1.0_dp, 0.0_dp, velocity < 0.0_dp)
         end associate
      end do
   end subroutine evaluate_exchange_partials

   pure function patankar_slope(peclet) result(slope)
      real(dp), intent(in) :: peclet
      real(dp) :: slope

      slope = -0.5_dp*max(0.0_dp, 1.0_dp - 0.1_dp*abs(peclet))**4*sign(1.0_dp, peclet)
   end function patankar_slope

   !> clm5.0's base rates come from literals, but its spin-up factors from the parameters.
   pure subroutine evaluate_rate_partials(scheme, latitude, partials)
      type(ctsm_scheme), intent(in) :: scheme
      real(dp), intent(in) :: latitude
      type(rate_partials), intent(out) :: partials
      real(dp) :: turnover(n_pools), spinup(n_pools), by_turnover(n_pools)

      associate (p => scheme%parameters)
         turnover = [p%tau_cwd, p%tau_l1, p%tau_l2_l3, p%tau_l2_l3, p%tau_s1, p%tau_s2, p%tau_s3]
         partials%rate_by_year = -scheme%base_rate/p%days_per_year
      end associate
      partials%rate_by_turnover = 0.0_dp
      if (scheme%switches%version /= version_clm50) partials%rate_by_turnover = -scheme%base_rate/turnover
      by_turnover = 0.0_dp
      by_turnover([i_cwd, i_s2, i_s3]) = [0.5_dp, 1.0_dp, 1.0_dp]
      spinup = spinup_terms(scheme, latitude)
      partials%spinup_by_turnover = 0.0_dp
      where (spinup > 1.0_dp) partials%spinup_by_turnover = spinup/scheme%spinup_factor*by_turnover
   end subroutine evaluate_rate_partials

end module ctsm_partials
